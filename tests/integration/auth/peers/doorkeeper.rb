# SPDX-License-Identifier: Apache-2.0
# frozen_string_literal: true

# Doorkeeper, the usual one of Rails, with the clients of PEER_CLIENTS, on PEER_PORT.

require_relative "../../../reference/doorkeeper"

PERSON = make_tables(File.join(Dir.pwd, "doorkeeper.sqlite3"), previous_refresh_token: false)

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
