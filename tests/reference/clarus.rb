# SPDX-License-Identifier: Apache-2.0
# frozen_string_literal: true

# The Clarus API once more, as Rails speaks it: Doorkeeper for OAuth, graphql-ruby for reads, Chronic for dates.
# The sandbox is our own reading of the API; this one answers with the libraries that such a service is made of.
#
#     ruby clarus.rb '{"port": 3000, "reports": [{"id": 7}]}'

require_relative "doorkeeper"

require "digest"
require "csv"
require "graphql"
require "chronic"

OPTIONS = {
  "port" => 0, "tenants" => ["acme"], "reports" => [{ "id" => 7 }],
  "client_id" => "clarus-client", "client_secret" => "reference-secret", "scopes" => "openid claruswms/full",
  "token_lifetime" => 3600, "time_zone" => "UTC", "max_complexity" => nil, "introspection" => true,
  "redirect_uri" => "http://127.0.0.1/callback", "folder" => "."
}.merge(JSON.parse(ARGV.fetch(0, "{}")))

Person = make_tables(File.join(OPTIONS["folder"], "clarus.sqlite3"), previous_refresh_token: true)

# A report as its owner has stored it. Date variables are read by Chronic, when the report is generated.
Report = Struct.new(:id, :tenant, :owner, :name, :seconds, :outcome, :declared, :stored, :times, keyword_init: true) do
  def self.from(given)
    new(
      id: given.fetch("id"), tenant: given.fetch("tenant", OPTIONS["tenants"].first),
      owner: given.fetch("owner", OPTIONS["client_id"]), name: given.fetch("name", "Stock by location"),
      seconds: given.fetch("seconds", 0), outcome: given.fetch("outcome", "available"),
      declared: given.fetch("declared", { "date_from" => "Chronic", "date_to" => "Chronic", "account_id" => "ID" }),
      stored: given.fetch("stored", {}), times: given.fetch("times", [])
    )
  end

  def graphql
    "query getRows(#{declared.map { |name, type| "$#{name}: #{type}" }.join(', ')}) { rows { id } }"
  end
end

Document = Struct.new(:id, :report, :variables, :created_at, keyword_init: true) do
  def age = Time.now - created_at

  def status
    return report.outcome if age >= report.seconds

    age < [report.seconds / 3.0, 1].min ? "queued" : "processing"
  end

  def available? = %w[available completed].include?(status)
  def file_name = available? ? "report-#{report.id}-#{id}.csv" : nil
  def updated_at = age >= report.seconds ? created_at + report.seconds : created_at

  # What each variable came to, and which of the report's times lie in its window, both ends included.
  def to_csv
    read = variables.to_h { |name, values| [name, values.map { |value| Variables.read(report.declared[name], value, created_at) }] }
    CSV.generate do |csv|
      csv << %w[kind name value]
      read.each { |name, values| values.each { |value| csv << ["variable", name, value] } }
      first, last = %w[date_from date_to].map { |name| read[name]&.first }
      report.times.each do |text|
        time = Time.iso8601(text)
        inside = (first.nil? || time >= Time.iso8601(first)) && (last.nil? || time <= Time.iso8601(last))
        csv << ["row", "created_at", text] if inside
      end
    end
  end
end

module Variables
  Chronic.time_class = ActiveSupport::TimeZone[OPTIONS["time_zone"]]

  def self.read(type, value, now)
    return value unless type == "Chronic"

    Chronic.parse(value, now: now.in_time_zone(OPTIONS["time_zone"]))&.utc&.iso8601(6)
  end
end

module Store
  LOCK = Mutex.new
  REPORTS = OPTIONS["reports"].map { |given| Report.from(given) }
  DOCUMENTS = []
  SIGNING_KEY = SecureRandom.hex
  REQUESTS = []

  def self.report(tenant, id) = REPORTS.find { |report| report.tenant == tenant && report.id == id }
  def self.document(tenant, id) = DOCUMENTS.find { |document| document.report.tenant == tenant && document.id == id }

  def self.generate(report, passed)
    variables = report.stored.transform_values { |value| [value] }
    passed.map { |item| item["name"] }.uniq.each do |name|
      variables[name] = passed.select { |item| item["name"] == name }.map { |item| item["value"] }
    end
    LOCK.synchronize do
      DOCUMENTS << Document.new(id: DOCUMENTS.size + 1, report: report, variables: variables, created_at: Time.now)
      DOCUMENTS.last
    end
  end
end

module Types
  class Chronic < GraphQL::Schema::Scalar; end

  class IdInput < GraphQL::Schema::InputObject
    graphql_name "IdInputType"
    argument :eq, ID, required: false
    argument :in, [ID], required: false
    %i[gt gteq lt lteq].each { |name| argument name, ID, required: false }
    argument :filled, Boolean, required: false
  end

  class StringInput < GraphQL::Schema::InputObject
    graphql_name "StringInputType"
    %i[eq ilike like].each { |name| argument name, String, required: false }
    argument :in, [String], required: false
    argument :between, [String], required: false
  end

  class DatetimeInput < GraphQL::Schema::InputObject
    graphql_name "DatetimeInputType"
    %i[eq from to].each { |name| argument name, GraphQL::Types::ISO8601DateTime, required: false }
    argument :between, [GraphQL::Types::ISO8601DateTime], required: false
  end

  class DocumentFilter < GraphQL::Schema::InputObject
    graphql_name "DocumentFilterType"
    argument :id, IdInput, required: false
    %i[file_name category status file_type].each { |name| argument name, StringInput, required: false, camelize: false }
    argument :created_at, DatetimeInput, required: false, camelize: false
  end

  class ReportFilter < GraphQL::Schema::InputObject
    graphql_name "ReportFilterType"
    argument :id, IdInput, required: false
    %i[name report_type].each { |name| argument name, StringInput, required: false, camelize: false }
    argument :report_query_id, IdInput, required: false, camelize: false
    argument :generic, Boolean, required: false
  end

  class ReportQueryFilter < GraphQL::Schema::InputObject
    graphql_name "ReportQueryFilterType"
    %i[name description].each { |name| argument name, StringInput, required: false }
  end

  class Document < GraphQL::Schema::Object
    field :id, ID, null: false
    %i[file_name file_type category status].each { |name| field name, String, null: true, camelize: false }
    %i[created_at updated_at].each { |name| field name, GraphQL::Types::ISO8601DateTime, null: true, camelize: false }
    def file_type = object.available? ? "csv" : nil
    def category = "report"
  end

  class ReportQuery < GraphQL::Schema::Object
    field :id, ID, null: false
    %i[name description graphql].each { |name| field name, String, null: true }
    %i[created_at updated_at].each { |name| field name, GraphQL::Types::ISO8601DateTime, null: true, camelize: false }
    def name = object.name
    def description = nil
    def created_at = Time.at(0)
    def updated_at = Time.at(0)
  end

  class Report < GraphQL::Schema::Object
    field :id, ID, null: false
    %i[name description report_type source_path uuid].each { |name| field name, String, null: true, camelize: false }
    field :generic, Boolean, null: true
    field :report_query, ReportQuery, null: true, camelize: false
    def description = nil
    def report_type = "single"
    def source_path = "data.rows"
    def generic = false
    def uuid = format("00000000-0000-4000-8000-%012d", object.id)
    def report_query = object
  end

  module Listing
    def wanted?(filter, values) = filter.to_h.all? { |name, condition| matches?(values[name], condition) }

    def matches?(value, condition)
      condition = ids(condition) if value.is_a?(Integer)
      condition.to_h.compact.all? do |name, operand|
        case name
        when :eq then value == operand
        when :in then operand.include?(value)
        when :gt then value > operand
        when :gteq, :from then value >= operand
        when :lt then value < operand
        when :lteq, :to then value <= operand
        when :between then value.between?(operand.first, operand.last)
        when :filled then !value.nil? == operand
        when :like, :ilike
          pattern = Regexp.escape(operand).gsub("%", ".*").gsub("_", ".")
          Regexp.new("\\A#{pattern}\\z", name == :ilike ? Regexp::IGNORECASE : 0).match?(value.to_s)
        end
      end
    end

    def ids(condition)
      condition&.to_h&.transform_values { |value| value.is_a?(Array) ? value.map(&:to_i) : value == true ? true : value.to_i }
    end
  end

  class Documents < GraphQL::Schema::Object
    include Listing
    field :all, Document.connection_type, null: true do
      argument :filter, DocumentFilter, required: false
    end

    def all(filter: nil)
      Store::DOCUMENTS.select { |document| document.report.tenant == context[:tenant] }.select do |document|
        values = {
          id: document.id, file_name: document.file_name, category: "report", status: document.status,
          file_type: document.available? ? "csv" : nil, created_at: document.created_at
        }
        wanted?(filter, values)
      end
    end
  end

  class Reports < GraphQL::Schema::Object
    include Listing
    field :all, Report.connection_type, null: true do
      argument :filter, ReportFilter, required: false
    end

    def all(filter: nil)
      conditions = filter.to_h
      generic = conditions.delete(:generic)
      Store::REPORTS.select { |report| report.tenant == context[:tenant] }.select do |report|
        values = { id: report.id, report_query_id: report.id, name: report.name, report_type: "single" }
        generic != true && wanted?(conditions, values)
      end
    end
  end

  class ReportQueries < GraphQL::Schema::Object
    include Listing
    field :all, ReportQuery.connection_type, null: true do
      argument :filter, ReportQueryFilter, required: false
    end

    def all(filter: nil)
      Store::REPORTS.select { |report| report.tenant == context[:tenant] }.select do |report|
        wanted?(filter, { name: report.name, description: nil })
      end
    end
  end

  class Query < GraphQL::Schema::Object
    field :documents, Documents, null: true
    field :reports, Reports, null: true
    field :report_queries, ReportQueries, null: true, camelize: false
    def documents = {}
    def reports = {}
    def report_queries = {}
  end
end

class ClarusSchema < GraphQL::Schema
  query Types::Query
  default_max_page_size 100
  max_depth 15
  max_complexity OPTIONS["max_complexity"] if OPTIONS["max_complexity"]
  use GraphQL::Schema::Timeout, max_seconds: 10
  disable_introspection_entry_points unless OPTIONS["introspection"]
end

class Clarus < Rails::Application
  config.root = OPTIONS["folder"]
  config.eager_load = false
  config.consider_all_requests_local = false
  config.secret_key_base = SecureRandom.hex(64)
  config.logger = Logger.new($stderr, level: Logger::WARN)
  config.hosts.clear
  config.api_only = false
end

Doorkeeper.configure do
  orm :active_record
  resource_owner_authenticator { Person }
  grant_flows %w[authorization_code client_credentials]
  use_refresh_token
  access_token_expires_in OPTIONS["token_lifetime"]
  optional_scopes(*OPTIONS["scopes"].split)
  enforce_configured_scopes
  force_ssl_in_redirect_uri false
  skip_authorization { true }
end

class ApiController < ActionController::API
  before_action :authorize, :find_tenant
  rescue_from(StandardError) { |error| log(error) and refuse(500, "internal", "Internal error") }
  rescue_from(ActionDispatch::Http::Parameters::ParseError) { refuse(400, "bad_request", "The body is not JSON.") }

  private

  def authorize
    @token = Doorkeeper::OAuth::Token.authenticate(request, :from_bearer_authorization)
    render json: { error: "The access token is missing, expired or revoked." }, status: 401 unless @token&.accessible?
  end

  def find_tenant
    @tenant = request.headers["X-Clarus-Subdomain"]
    return render json: { error: "The X-Clarus-Subdomain header is missing." }, status: 401 if @tenant.blank?

    refuse(404, "not_found", "There is no tenant #{@tenant}.") unless OPTIONS["tenants"].include?(@tenant)
  end

  def log(error) = Rails.logger.error(error.full_message)

  def user = @token.resource_owner_id ? User.find(@token.resource_owner_id).name : @token.application.uid

  def refuse(status, symbol, details)
    error = { code: 1000 + status, symbol: symbol, details: details, source: nil, context: {} }
    render json: { errors: [error] }, status: status
  end
end

class ReportsController < ApiController
  def generate
    report = Store.report(@tenant, params[:id].to_i)
    return refuse(404, "not_found", "There is no report #{params[:id]}.") unless report
    return refuse(403, "forbidden", "Only its owner may generate a report.") unless report.owner == user

    given = request.request_parameters["variables"] || []
    unless given.is_a?(Array) && given.all? { |item| item.is_a?(Hash) && item["name"].present? && item["value"].is_a?(String) }
      return refuse(422, "invalid", "A variable needs a name and a value.")
    end

    render json: { data: resource(Store.generate(report, given)) }
  end

  private

  def resource(document)
    {
      id: document.id, type: "documents",
      attributes: {
        category: "report", file_name: document.file_name,
        file_path: document.available? ? "documents/#{document.id}" : nil,
        file_type: document.available? ? "text/csv" : nil, status: document.status, user_id: 1
      }
    }
  end
end

class DocumentsController < ApiController
  def download
    document = Store.document(@tenant, params[:id].to_i)
    return refuse(404, "not_found", "There is no document #{params[:id]}.") unless document
    return refuse(403, "forbidden", "You may not download it.") unless document.report.owner == user
    return refuse(404, "not_found", "Document #{document.id} has no file.") unless document.available?

    signature = Digest::SHA256.hexdigest("#{Store::SIGNING_KEY}#{document.id}")
    render json: { url: "#{request.base_url}/files/#{document.id}?X-Amz-Signature=#{signature}" }
  end
end

class GraphqlController < ApiController
  def execute
    given = request.request_parameters
    answer = ClarusSchema.execute(
      given["query"], variables: given["variables"] || {}, operation_name: given["operationName"], context: { tenant: @tenant }
    )
    render json: answer.to_h
  end
end

class FilesController < ActionController::API
  def show
    document = Store::DOCUMENTS[params[:id].to_i - 1]
    good = params["X-Amz-Signature"] == Digest::SHA256.hexdigest("#{Store::SIGNING_KEY}#{params[:id]}")
    return render plain: "<Error><Code>AccessDenied</Code></Error>", status: 403 unless document && good

    response.headers["ETag"] = "\"#{Digest::MD5.hexdigest(document.to_csv)}\""
    send_data document.to_csv, type: "text/csv", filename: document.file_name
  end
end

# Handles for tests, which no real service has.
class StageController < ActionController::API
  def requests = render(json: Store::REQUESTS)

  def revoke
    # Ended, not revoked: a revoked token's refresh token would be gone with it.
    Doorkeeper::AccessToken.update_all(created_at: 1.year.ago)
    head :no_content
  end

  def report
    Store::LOCK.synchronize { Store::REPORTS << Report.from(request.request_parameters) }
    head :no_content
  end
end

Clarus.initialize!
Clarus.routes.draw do
  use_doorkeeper { skip_controllers :applications, :authorized_applications }
  post "/graphql", to: "graphql#execute"
  post "/api/reports/:id/generate", to: "reports#generate"
  get "/api/documents/:id/download", to: "documents#download"
  get "/files/:id", to: "files#show"
  get "/stage/requests", to: "stage#requests"
  post "/stage/revoke", to: "stage#revoke"
  post "/stage/reports", to: "stage#report"
end

Doorkeeper::Application.create!(
  name: "Airflow", uid: OPTIONS["client_id"], secret: OPTIONS["client_secret"],
  redirect_uri: OPTIONS["redirect_uri"], scopes: OPTIONS["scopes"]
)

# Notes what was asked, without the query strings and bodies that hold secrets.
class Observer
  def initialize(app) = @app = app

  def call(env)
    answer = @app.call(env)
    Store::REQUESTS << { method: env["REQUEST_METHOD"], path: env["PATH_INFO"], status: answer.first }
    answer
  end
end

server = Puma::Server.new(Observer.new(Clarus))
port = server.add_tcp_listener("127.0.0.1", OPTIONS["port"]).addr[1]
$stdout.puts JSON.dump(port: port)
$stdout.flush
trap("TERM") { exit! 0 }
server.run.join
