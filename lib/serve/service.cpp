#include "serve/service.h"

#include <fmt/chrono.h>

#include <ctime>

#include "kvs/error.h"
#include "kvs/guard.h"
#include "serve/http_module.h"

namespace kvs {
namespace {

constexpr const char* kDonors = "/v1/kvshare/donors";
constexpr size_t kMaxEmbedding = 64;  // requests that wait to be embedded
constexpr int kLastArrivalMs = 2000;  // for a request to arrive while the server goes

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::string now_text() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

std::vector<std::string> joined(std::vector<std::string> names, const std::string& name) {
  names.push_back(name);
  return names;
}

// What a guard of these options may choose; nothing where none decides.
std::vector<double> guard_budgets(const ReuseOptions& reuse) {
  const bool decides = reuse.guard && !reuse.budget && reuse.policy == Policy::kvshare;
  return decides ? reuse.guard->budgets() : std::vector<double>();
}

Refusal refusal_of(const Error& error) {
  if (error.kind() == ErrorKind::argument || error.kind() == ErrorKind::format)
    return {.message = error.what(), .code = "invalid_request"};
  return {.status = 500, .type = "server_error", .message = error.what(), .code = "failed"};
}

}  // namespace

bool Service::is_public(const std::string& path) {
  return path == "/" || path == "/health" || path == "/ready" || path == "/metrics" ||
         path == kDonors;
}

// For the metrics, where a client's words have no place.
std::string Service::route_of(const std::string& path) {
  if (path.starts_with("/v1/models/")) return "/v1/models/ID";
  for (const char* route : {"/v1/chat/completions", "/v1/completions", "/v1/embeddings",
                            "/v1/models", "/tokenize", "/detokenize"})
    if (path == route) return path;
  return is_public(path) ? path : "other";
}

Service::Service(Model& model, Engine& engine, const Embedder* embedder, const HttpOptions& options)
    : model_(model),
      engine_(engine),
      embedder_(embedder),
      embedding_(kMaxEmbedding),
      options_(options),
      started_(std::time(nullptr)),
      hosts_(joined(options.allowed_hosts, options.host)),
      tenants_(options.keys),
      loop_(engine, loop_options()),
      listener_(options_) {
  metrics_.expect_guard(guard_budgets(options.reuse));
  add_routes();
  add_handlers();
  loop_.set_quotas(tenants_.memory_quotas());
  listener_.start();
}

EngineLoop::Options Service::loop_options() {
  return {.max_waiting = options_.max_waiting,
          .schedule = options_.schedule,
          .exactify = options_.exactify,
          .warn = [this](std::string_view text) { warn(text); },
          .on_end =
          .followers = options_.followers,
              [this](const Job& job, const Response& response) {
                const bool cancelled = response.finish_reason == "cancelled";
                const auto none = cancelled ? job.arrived : Clock::now();
                const Clock::duration first = job.channel->first_at().value_or(none) - job.arrived;
                metrics_.count_answer(response, std::chrono::duration<double>(first).count());
              }};
}

void Service::reload_keys() {
  tenants_.reload();
  loop_.set_quotas(tenants_.memory_quotas());
}

// Answers end first, and are given time to say so: the listener cuts streams off when it goes.
Service::~Service() {
  draining_ = true;
  loop_.stop();
  drain(std::chrono::seconds(2));
  listener_.finish();
}

void Service::add_routes() {
  add("POST", "/v1/chat/completions", &Service::chat);
  add("POST", "/v1/completions", &Service::complete);
  add("POST", "/v1/embeddings", &Service::embed);
  add("GET", "/v1/models", &Service::list_models);
  add("GET", "/v1/models/(.+)", &Service::show_model);
  add("POST", "/tokenize", &Service::tokenize);
  add("POST", "/detokenize", &Service::detokenize);
  add("DELETE", kDonors, &Service::delete_donors);
  add("GET", "/", &Service::page);
  add("GET", "/health", &Service::health);
  add("GET", "/ready", &Service::ready);
  add("GET", "/metrics", &Service::metrics);
}

void Service::add_handlers() {
  using Done = httplib::Server::HandlerResponse;
  listener_.set_pre_routing_handler([this](const auto& request, auto& response) {
    return admit(request, response) ? Done::Unhandled : Done::Handled;
  });
  listener_.set_exception_handler(
      [](const auto&, httplib::Response& response, const auto&) { response.status = 500; });
  listener_.set_error_handler([this](const httplib::Request& request, httplib::Response& response) {
    explain_failure(request, response);
  });
  listener_.set_logger(
      [this](const auto& request, const auto& response) { note(request, response); });
}

// A body is read here, since the library refuses what curl sends where it is told no type ("form")
// beyond 8 KiB.
void Service::add(const char* method, const char* path, Route route) {
  using httplib::Request, httplib::Response;
  const auto without_body = [this, route](const Request& request, Response& response) {
    serve(route, request, response, {});
  };
  if (std::string_view(method) == "GET") {
    listener_.Get(path, without_body);
  } else if (std::string_view(method) == "DELETE") {
    listener_.Delete(path, without_body);
  } else {
    listener_.Post(path, [this, route](const Request& request, Response& response,
                                       const httplib::ContentReader& reader) {
      if (std::optional<std::string> body = read_body(reader, response))
        serve(route, request, response, *std::move(body));
    });
  }
}

// Nothing where it is too long or does not come; the status says which.
std::optional<std::string> Service::read_body(const httplib::ContentReader& reader,
                                              httplib::Response& response) const {
  std::string body;
  bool fits = true;
  const bool whole = reader([&](const char* data, size_t size) {
    fits = size <= options_.max_body_bytes - body.size();
    if (fits) body.append(data, size);
    return fits;
  });
  if (!fits) response.status = 413;
  return whole ? std::optional(std::move(body)) : std::nullopt;
}

void Service::serve(Route route, const httplib::Request& request, httplib::Response& response,
                    std::string body) {
  Exchange exchange{request, response, Connection::current(), {}, std::move(body)};
  try {
    if (!is_public(request.path)) exchange.caller = caller_of(request);
    if (!exchange.caller.tenant.empty())
      exchange.connection.log.set("tenant", exchange.caller.tenant);
    if (request.method == "POST") count_request(exchange.caller);
    (this->*route)(exchange);
  } catch (const Refusal& refusal) {
    exchange.refuse(refusal);
  } catch (const Error& e) {
    exchange.refuse(refusal_of(e));
  } catch (const std::bad_alloc&) {
    exchange.refuse({.status = 500,
                     .type = "server_error",
                     .message = "out of memory",
                     .code = "out_of_memory"});
  } catch (const std::exception& e) {  // which is the operator's to know
    warn(std::string("internal error: ") + e.what());
    exchange.refuse(refusal_with(500));
  }
}

void Service::explain_failure(const httplib::Request& request, httplib::Response& response) {
  if (!response.body.empty()) return;
  Connection& connection = Connection::current();
  if (connection.timed_out()) response.status = draining_ ? 503 : 408;
  if (connection.too_large()) response.status = response.status == 414 ? 414 : 413;
  if (!response.has_header(kRequestId)) response.set_header(kRequestId, "req-" + random_id());
  if (response.status != 404) end_connection(response, connection);
  Exchange{request, response, connection, {}}.refuse(
      response.status == 503 ? shutting_down() : refusal_with(response.status));
}

void Service::note(const httplib::Request& request, const httplib::Response& response) {
  Connection& connection = Connection::current();
  metrics_.count_request(route_of(request.path), response.status);
  Json line = Json::Object{{"event", "request"},
                           {"request_id", response.get_header_value(kRequestId)},
                           {"method", request.method.substr(0, 16)},
                           {"route", request.path.substr(0, 128)},
                           {"status", response.status},
                           {"ms", ms_since(connection.arrived())}};
  if (connection.log.is_object())
    for (const auto& [key, value] : connection.log.as_object()) line.set(key, value);
  log(line);
}

void Service::log(const Json& line) {
  if (!options_.log) return;
  Json::Object members = line.as_object();
  members.insert(members.begin(), {"time", now_text()});
  const std::string text = Json(std::move(members)).dump();
  const std::lock_guard lock(log_mutex_);
  options_.log(text);
}

void Service::warn(std::string_view text) {
  log(Json::Object{{"event", "warning"}, {"message", text}});
}

bool Service::drain(std::chrono::milliseconds timeout) {
  draining_ = true;
  listener_.hurry(kLastArrivalMs);
  const auto end = Clock::now() + timeout;
  while (listener_.in_flight() > 0 && Clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return listener_.in_flight() == 0;
}

}  // namespace kvs

kvs::HttpServer* kvs_start_http_server(kvs::Model* model, kvs::Engine* engine,
                                       const kvs::Embedder* embedder,
                                       const kvs::HttpOptions* options) {
  if (!model->prompts().tokenizer())
    kvs::fail(kvs::ErrorKind::argument, "{}: the server needs a model with a tokenizer",
              model->name());
  if (options->publish_after > 0 && options->keys.empty())
    kvs::fail(kvs::ErrorKind::argument, "text is published between tenants: a key file is needed");
  engine->donors().publish_by({.holders = options->publish_after, .takes_part = kvs::may_publish});
  return new kvs::Service(*model, *engine, embedder, *options);
}
