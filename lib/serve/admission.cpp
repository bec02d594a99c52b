// Who is let in, before anything of a request's body is read.
#include <algorithm>
#include <cctype>

#include "serve/framing.h"
#include "serve/service.h"

namespace kvs {
namespace {

constexpr size_t kMaxPathBytes = 1024;
constexpr size_t kMaxIdBytes = 128;

Refusal unsupported(std::string message) {
  return {.status = 415, .message = std::move(message), .code = "unsupported"};
}

// The next request begins where the body ends, of which the library is to have no doubt: it reads
// none where it expects none, and is lax about chunks, after which the connection ends therefore.
void check_body(const httplib::Request& request, httplib::Response& response,
                Connection& connection) {
  const Framing framing = read_framing(connection.head());
  const std::string& method = request.method;
  const bool needs_body = method == "POST" || method == "PUT" || method == "PATCH";
  if (framing.has_body() && !needs_body && method != "DELETE")
    throw Refusal{.message = "a body is not expected with " + method, .code = "bad_request"};
  if (needs_body && !framing.chunked && !framing.length) throw refusal_with(411);
  if (request.is_multipart_form_data()) throw unsupported("bodies in parts are not supported");
  const std::string encoding = request.get_header_value("Content-Encoding");
  if (!encoding.empty() && encoding != "identity")
    throw unsupported("compressed bodies are not supported");
  if (framing.chunked) end_connection(response, connection);
}

// Short, and the same in any log.
bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxIdBytes &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
         });
}

// What the client, or a proxy in front, calls it, so that its log and this one name the same.
std::string request_id(const std::string& given) {
  return is_request_id(given) ? given : "req-" + random_id();
}

}  // namespace

// Where this refuses, what follows on the connection is not known.
bool Service::admit(const httplib::Request& request, httplib::Response& response) {
  Connection& connection = Connection::current();
  response.set_header(kRequestId, request_id(request.get_header_value(kRequestId)));
  try {
    if (connection.overloaded && !is_watched(request.path)) throw overloaded();
    if (request.path.size() > kMaxPathBytes) throw refusal_with(414);
    check_body(request, response, connection);
    check_host(request);
    check_origin(request);
    greet_page(request, response);
    check_caller(request, connection);
    return true;
  } catch (const Refusal& refusal) {
    Exchange{request, response, connection, {}}.refuse(refusal);
    end_connection(response, connection);
    return false;
  }
}

// Keys say who asks; without them a web page in a browser on this machine could.
void Service::check_host(const httplib::Request& request) const {
  const std::string host = request.get_header_value("Host");
  if (!tenants_.has_keys() && !hosts_.has(host))
    throw Refusal{.status = 403,
                  .message = fmt::format("'{}' is not a name of this server; --allow-host adds it",
                                         host.substr(0, 64)),
                  .code = "unknown_host"};
}

// Nobody else's page may act for whoever looks at it.
void Service::check_origin(const httplib::Request& request) const {
  const std::string origin = request.get_header_value("Origin");
  const std::string& method = request.method;
  if (origin.empty() || method == "GET" || method == "HEAD" || method == "OPTIONS") return;
  if (!origins_.allow(origin) && !Origins::is_own(origin, request.get_header_value("Host")))
    throw Refusal{.status = 403,
                  .message = fmt::format("pages of '{}' may not ask this server; --allow-origin "
                                         "lets them",
                                         origin.substr(0, 64)),
                  .code = "foreign_origin"};
}

// The browser gives it the answer only if that says so.
void Service::greet_page(const httplib::Request& request, httplib::Response& response) const {
  const std::string origin = request.get_header_value("Origin");
  if (!origins_.allow(origin)) return;
  response.set_header("Access-Control-Allow-Origin", origin);
  response.set_header("Access-Control-Expose-Headers", "x-request-id, retry-after");
  response.set_header("Vary", "Origin");
}

bool Service::from_this_machine(const httplib::Request& request) const {
  return is_local(request) && hosts_.has(request.get_header_value("Host"));
}

// From here on a tenant's request keeps a connection busy, which its body may do for long.
void Service::check_caller(const httplib::Request& request, Connection& connection) {
  if (request.method == "OPTIONS") return;
  if (draining_ && (!is_public(request.path) || request.path == "/ready")) throw shutting_down();
  if (!serving_ && request.path != "/health" && request.path != "/") throw loading();
  if (is_public(request.path)) return;
  const Caller caller = caller_of(request);
  if (request.method != "POST") return;
  connection.seat = seats_.find(caller.tenant);
  if (!connection.seat) throw too_many_requests();
}

Caller Service::caller_of(const httplib::Request& request) const {
  if (auto caller = tenants_.find(bearer_key(request))) return *std::move(caller);
  throw Refusal{
      .status = 401, .message = "the API key is missing or not known", .code = "invalid_api_key"};
}

// What does work for a tenant counts, whatever comes of it.
void Service::count_request(const Caller& caller) {
  if (caller.requests_per_minute == 0) return;
  const int wait_s = rates_.take(caller.tenant, caller.requests_per_minute);
  if (wait_s > 0)
    throw Refusal{
        .status = 429,
        .type = "rate_limit_error",
        .message = fmt::format("more than {} requests in a minute", caller.requests_per_minute),
        .code = "rate_limit_exceeded",
        .retry_after_s = wait_s};
}

}  // namespace kvs
