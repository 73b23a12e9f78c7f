# SPDX-License-Identifier: Apache-2.0
# frozen_string_literal: true

# What Chronic reads of each phrase (a JSON list on standard input), at two moments that have nothing in common.

require "json"
require "logger"
require "active_support/all"
require "chronic"

Chronic.time_class = ActiveSupport::TimeZone[ARGV.fetch(0, "UTC")]
MOMENTS = ["2024-06-12 10:34:56", "2031-02-03 15:07:09"].map { |text| Chronic.time_class.parse(text) }

def read(text, now)
  Chronic.parse(text, now: now)&.utc&.iso8601(6)
rescue StandardError => error
  "#{error.class}: #{error.message}"
end

puts JSON.dump(JSON.parse($stdin.read).map { |text| MOMENTS.map { |now| read(text, now) } })
