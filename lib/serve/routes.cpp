// What there is to ask for, and how.
#include "serve/service.h"

namespace kvs {
namespace {

constexpr std::string_view kDonors = "/v1/kvshare/donors";
constexpr std::string_view kAnyModel = "/v1/models/(.+)", kModels = "/v1/models/";

bool leads_to(std::string_view path, const std::string& asked) {
  if (path != kAnyModel) return asked == path;
  return asked.starts_with(kModels) && asked.size() > kModels.size();
}

}  // namespace

const std::array<Service::Route, 13> Service::kRoutes{{
    {"POST", "/v1/chat/completions", &Service::chat},
    {"POST", "/v1/completions", &Service::complete},
    {"POST", "/v1/embeddings", &Service::embed},
    {"GET", "/v1/models", &Service::list_models},
    {"GET", kAnyModel, &Service::show_model},
    {"POST", "/tokenize", &Service::tokenize},
    {"POST", "/detokenize", &Service::detokenize},
    {"DELETE", kDonors, &Service::delete_donors},
    {"GET", "/", &Service::page},
    {"GET", "/health", &Service::health},
    {"GET", "/ready", &Service::ready},
    {"GET", "/metrics", &Service::metrics},
    {"GET", "/decisions", &Service::decisions},
}};

bool Service::is_public(const std::string& path) {
  return path == "/" || path == "/health" || path == "/ready" || path == "/metrics" ||
         path == "/decisions" || path == kDonors;
}

bool Service::is_watched(const std::string& path) {
  return path == "/health" || path == "/ready" || path == "/metrics";
}

// For the metrics, where a client's words have no place.
std::string Service::route_of(const std::string& path) {
  for (const Route& route : kRoutes)
    if (leads_to(route.path, path))
      return std::string(route.path == kAnyModel ? "/v1/models/ID" : route.path);
  return "other";
}

// As in Allow; "" where there is nothing.
std::string Service::methods_of(const std::string& path) {
  for (const Route& route : kRoutes)
    if (leads_to(route.path, path))
      return route.method == "GET" ? "GET, HEAD, OPTIONS" : std::string(route.method) + ", OPTIONS";
  return "";
}

// Who asks needs no key: a browser sends none with the question whether a page may ask.
void Service::tell_methods(Exchange& exchange) {
  const httplib::Request& request = exchange.request;
  httplib::Response& response = exchange.response;
  const std::string methods = methods_of(request.path);
  if (methods.empty() && request.path != "*") throw refusal_with(404);
  if (!methods.empty()) response.set_header("Allow", methods);
  if (!origins_.allow(request.get_header_value("Origin"))) return;
  response.set_header("Access-Control-Allow-Methods", methods);
  if (const std::string names = request.get_header_value("Access-Control-Request-Headers");
      !names.empty())
    response.set_header("Access-Control-Allow-Headers", names);
  response.set_header("Access-Control-Max-Age", "600");
}

}  // namespace kvs
