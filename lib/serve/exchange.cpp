#include "serve/exchange.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <cstdint>
#include <random>

namespace kvs {
namespace {

// With its character set, because cpp-httplib would compress what is plain "application/json", and
// that costs more time than it saves.
constexpr const char* kJson = "application/json; charset=utf-8";

}  // namespace

void Exchange::answer(const Json& json, int status) const {
  response.status = status;
  response.set_content(json.dump(), kJson);
}

void Exchange::refuse(const Refusal& refusal) const {
  if (refusal.retry_after_s > 0)
    response.set_header("Retry-After", std::to_string(refusal.retry_after_s));
  if (refusal.status == 401) response.set_header("WWW-Authenticate", "Bearer");
  if (!refusal.code.empty()) connection.log.set("code", refusal.code);
  answer(refusal.to_json(), refusal.status);
}

void end_connection(httplib::Response& response, Connection& connection) {
  response.headers.erase("Connection");
  response.set_header("Connection", "close");
  connection.close_after_response();
}

std::string random_id() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

bool is_local(const httplib::Request& request) {
  for (const char* header : {"Forwarded", "X-Forwarded-For", "X-Real-IP"})
    if (request.has_header(header)) return false;
  return request.remote_addr == "127.0.0.1" || request.remote_addr == "::1" ||
         request.remote_addr == "::ffff:127.0.0.1";
}

std::string bearer_key(const httplib::Request& request) {
  constexpr std::string_view kScheme = "Bearer ";  // in any case
  const std::string value = request.get_header_value("Authorization");
  if (strncasecmp(value.c_str(), kScheme.data(), kScheme.size()) != 0) return {};
  return value.substr(std::min(value.find_first_not_of(' ', kScheme.size()), value.size()));
}

}  // namespace kvs
