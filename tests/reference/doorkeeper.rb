# SPDX-License-Identifier: Apache-2.0
# frozen_string_literal: true

# Doorkeeper on Rails, for whichever server of the tests is made of it: libraries, tables, and one person.

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

class User < ActiveRecord::Base; end

# Make the tables in a database of SQLite, and return the person to whom everything belongs.
#
# With a column for the previous refresh token, that one is good until the new access token is used.
def make_tables(database, previous_refresh_token:)
  ENV["DATABASE_URL"] = "sqlite3:#{database}?pool=32&timeout=10000"
  ActiveRecord::Base.establish_connection(ENV["DATABASE_URL"])
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
    create_table :oauth_access_tokens, force: true do |t|
      t.references :resource_owner
      t.references :application, null: false
      t.string :token, null: false, index: { unique: true }
      t.string :refresh_token, index: { unique: true }
      t.integer :expires_in
      t.datetime :revoked_at
      t.datetime :created_at, null: false
      t.string :scopes
      t.string :previous_refresh_token, null: false, default: "" if previous_refresh_token
    end
  end
  User.create!(name: "clarus-user")
end
