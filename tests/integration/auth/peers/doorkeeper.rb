# SPDX-License-Identifier: Apache-2.0
# frozen_string_literal: true

# Doorkeeper, the usual one of Rails, with the clients of PEER_CLIENTS, on PEER_PORT.

require "json"
require "logger"
require "securerandom"
require "rails"
require "action_controller/railtie"
require "active_record/railtie"
require "doorkeeper"
require "puma"
require "rack/handler/puma"

ENV["RAILS_ENV"] = "production"
ENV["DATABASE_URL"] = "sqlite3:#{File.join(Dir.pwd, "doorkeeper.sqlite3")}?pool=16&timeout=10000"
ActiveRecord::Base.establish_connection
ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define do
  create_table :users, force: true do |t|
    t.string :name
  end
  create_table :oauth_applications, force: true do |t|
    t.string :name, null: false
    t.string :uid, null: false, index: { unique: true }
    t.string :secret, null: false
    t.text :redirect_uri
    t.string :scopes, null: false, default: ""
    t.boolean :confidential, null: false, default: true
    t.timestamps
  end
  create_table :oauth_access_grants, force: true do |t|
    t.references :resource_owner, null: false
    t.references :application, null: false
    t.string :token, null: false, index: { unique: true }
    t.integer :expires_in, null: false
    t.text :redirect_uri, null: false
    t.datetime :created_at, null: false
    t.datetime :revoked_at
    t.string :scopes, null: false, default: ""
    t.string :code_challenge
    t.string :code_challenge_method
  end
  # With a column previous_refresh_token, an old one would be good until the new access token is used.
  create_table :oauth_access_tokens, force: true do |t|
    t.references :resource_owner
    t.references :application, null: false
    t.string :token, null: false, index: { unique: true }
    t.string :refresh_token, index: { unique: true }
    t.integer :expires_in
    t.datetime :revoked_at
    t.datetime :created_at, null: false
    t.string :scopes
  end
end

class User < ActiveRecord::Base; end

PERSON = User.create!(name: "clarus-user")

class Service < Rails::Application
  config.root = Dir.pwd
  config.eager_load = false
  config.consider_all_requests_local = false
  config.secret_key_base = SecureRandom.hex(64)
  config.logger = Logger.new($stderr, level: Logger::WARN)
  config.hosts.clear
  # The browser of the tests has no page to take a token from.
  config.action_controller.allow_forgery_protection = false
end

Doorkeeper.configure do
  orm :active_record
  resource_owner_authenticator { PERSON }
  grant_flows %w[authorization_code client_credentials]
  use_refresh_token
  optional_scopes(*ENV.fetch("PEER_SCOPES").split)
  enforce_configured_scopes
  force_ssl_in_redirect_uri false
  skip_authorization { true }
  allow_token_introspection { |*| true }
end

Service.initialize!
Service.routes.draw { use_doorkeeper { skip_controllers :applications, :authorized_applications } }

JSON.parse(ENV.fetch("PEER_CLIENTS")).each do |client|
  Doorkeeper::Application.create!(
    name: client["id"], uid: client["id"], confidential: client["secret"] != "",
    secret: client["secret"] == "" ? "unused" : client["secret"], redirect_uri: "http://127.0.0.1/callback"
  )
end

server = Puma::Server.new(Service)
server.add_tcp_listener("127.0.0.1", ENV.fetch("PEER_PORT").to_i)
trap("TERM") { exit! 0 }
server.run.join
