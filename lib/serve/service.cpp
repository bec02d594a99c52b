#include "serve/service.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <set>
#include <utility>

#include "kvs/error.h"
#include "kvs/guard.h"
#include "serve/http_module.h"

namespace kvs {
namespace {

constexpr int64_t kMaxEmbedding = 64;  // requests that wait to be embedded
constexpr size_t kMaxValues = 10'000;  // of a body, beside those of prompts
constexpr int kLastArrivalMs = 2000;   // for a request to arrive while the server goes
constexpr std::chrono::seconds kLastWrites{10}, kLastWords{2};  // where nobody drained it

double ms_since(std::chrono::steady_clock::time_point start) {
  const auto since = std::chrono::steady_clock::now() - start;
  return std::chrono::duration<double, std::milli>(since).count();
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

// The library reads no further than a line that is too long for it.
bool is_head_too_large(const Connection& connection) {
  const std::string_view head = connection.head();
  const size_t last_line = head.size() < 2 ? 0 : head.rfind('\n', head.size() - 2) + 1;
  return connection.head_too_large() || head.size() - last_line > CPPHTTPLIB_HEADER_MAX_LENGTH;
}

int64_t pinned_blocks(const DonorStore& donors) {
  std::set<const void*> blocks;
  donors.visit_pinned([&](const KvView& view) {
    for (const Segment& segment : view.segments()) blocks.insert(segment.block.data());
  });
  return std::ssize(blocks);
}

// The model's, or what the pool has room for, lest an answer is lost where it grows beyond that.
// The engine wants a block besides.
int64_t context_of(Model& model, Engine& engine) {
  const int64_t blocks = engine.options().max_blocks - pinned_blocks(engine.donors()) - 1;
  return std::min<int64_t>(model.transformer().config().context, blocks * kBlockTokens);
}

Refusal refusal_of(const Error& error) {
  if (error.kind() == ErrorKind::argument || error.kind() == ErrorKind::format)
    return {.message = error.what(), .code = "invalid_request"};
  return {.status = 500, .type = "server_error", .message = error.what(), .code = "failed"};
}

}  // namespace

Service::Service(const HttpOptions& options)
    : embedding_(options.schedule, kMaxEmbedding),
      options_(options),
      started_(std::time(nullptr)),
      hosts_(joined(options.allowed_hosts, options.host)),
      origins_(options.allowed_origins),
      tenants_(options.keys),
      seats_(options.connections),
      listener_(options_) {
  for (const Route& route : kRoutes) add(route);
  listener_.Options(".*", [this](const auto& request, auto& response) {
    run(&Service::tell_methods, request, response, {});
  });
  add_handlers();
  listener_.start();
}

void Service::serve(Model& model, Engine& engine, const Embedder* embedder,
                    const ReuseOptions& reuse) {
  if (!model.prompts().tokenizer())
    fail(ErrorKind::argument, "{}: the server needs a model with a tokenizer", model.name());
  engine.donors().publish_by({.holders = options_.publish_after, .takes_part = may_publish});
  model_ = &model;
  engine_ = &engine;
  embedder_ = embedder;
  context_ = context_of(model, engine);
  options_.reuse = reuse;
  metrics_.expect_guard(guard_budgets(reuse));
  loop_.emplace(engine, loop_options());
  loop_->set_quotas(tenants_.memory_quotas());
  serving_ = true;
}

std::string Service::failure() const {
  return serving_ ? loop_->state().failure : std::string();
}

EngineLoop::Options Service::loop_options() {
  return {.max_waiting = options_.max_waiting,
          .schedule = options_.schedule,
          .followers = options_.followers,
          .exactify = options_.exactify,
          .warn = [this](std::string_view text) { warn(text); },
          .on_end =
              [this](const Job& job, const Response& response) {
                const bool cancelled = response.finish_reason == "cancelled";
                const auto none = cancelled ? job.arrived : Clock::now();
                const Clock::duration first = job.channel->first_at().value_or(none) - job.arrived;
                metrics_.count_answer(response, std::chrono::duration<double>(first).count());
                decisions_.add(now_text(), job.request_id, response);
              }};
}

void Service::reload_keys() {
  tenants_.reload();
  if (serving_) loop_->set_quotas(tenants_.memory_quotas());
}

// Answers end first, and are given time to say so: the listener cuts streams off when it goes.
Service::~Service() {
  draining_ = true;
  if (loop_) loop_->stop(Clock::now() + kLastWrites);
  listener_.hurry(kLastArrivalMs);
  wait_until_answered(Clock::now() + kLastWords);
  listener_.finish();
}

void Service::add_handlers() {
  using Done = httplib::Server::HandlerResponse;
  listener_.set_pre_routing_handler([this](const auto& request, auto& response) {
    return admit(request, response) ? Done::Unhandled : Done::Handled;
  });
  listener_.set_post_routing_handler(
      [this](const auto&, httplib::Response& response) { finish_head(response); });
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
void Service::add(const Route& route) {
  using httplib::Request, httplib::Response;
  const std::string path(route.path);
  const auto without_body = [this, handler = route.handler](const Request& request,
                                                            Response& response) {
    run(handler, request, response, {});
  };
  if (route.method == "GET") {
    listener_.Get(path, without_body);
  } else if (route.method == "DELETE") {
    listener_.Delete(path, without_body);
  } else {
    listener_.Post(path, [this, handler = route.handler](const Request& request, Response& response,
                                                         const httplib::ContentReader& reader) {
      if (std::optional<std::string> body = read_body(reader, response))
        run(handler, request, response, *std::move(body));
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

size_t Service::max_values() const {
  return 4 * static_cast<size_t>(model_->transformer().config().context) + kMaxValues;
}

// The text goes: it is not needed any more, and its request may wait for long.
BodyFields Service::take_fields(Exchange& exchange) const {
  const std::string body = std::exchange(exchange.body, {});
  return BodyFields::parse(body, max_values());
}

void Service::run(Handler handler, const httplib::Request& request, httplib::Response& response,
                  std::string body) {
  Exchange exchange{request, response, Connection::current(), {}, std::move(body)};
  try {
    if (!is_public(request.path) && request.method != "OPTIONS")
      exchange.caller = caller_of(request);
    if (!exchange.caller.tenant.empty())
      exchange.connection.log.set("tenant", exchange.caller.tenant);
    if (request.method == "POST") count_request(exchange.caller);
    (this->*handler)(exchange);
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

// Where there are many connections, none is kept for a request that may never come. What the
// library has added may not be so: that the connection stays, and that answers come in parts.
void Service::finish_head(httplib::Response& response) const {
  Connection& connection = Connection::current();
  if (connection.overloaded || listener_.crowded()) end_connection(response, connection);
  if (connection.closes()) response.headers.erase("Keep-Alive");
  response.headers.erase("Accept-Ranges");
}

void Service::explain_failure(const httplib::Request& request, httplib::Response& response) {
  if (!response.body.empty()) return;
  Connection& connection = Connection::current();
  if (connection.timed_out()) response.status = draining_ ? 503 : 408;
  if (connection.too_large() && response.status != 414) response.status = 413;
  if (response.status != 414 && is_head_too_large(connection)) response.status = 431;
  if (!response.has_header(kRequestId)) response.set_header(kRequestId, "req-" + random_id());
  const std::string methods = response.status == 404 ? methods_of(request.path) : "";
  if (response.status != 404) end_connection(response, connection);
  if (!methods.empty()) {
    response.status = 405;
    response.set_header("Allow", methods);
  }
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

bool Service::wait_until_answered(Clock::time_point end) const {
  while (listener_.in_flight() > 0 && Clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return listener_.in_flight() == 0;
}

HttpServer::Drained Service::drain(std::chrono::milliseconds timeout) {
  const auto begun = Clock::now(), end = begun + timeout;
  draining_ = true;
  listener_.hurry(static_cast<int>(std::min<int64_t>(kLastArrivalMs, timeout.count() / 2)));
  const bool answered = wait_until_answered(begun + 2 * timeout / 3);
  const bool written = !loop_ || loop_->stop(end);
  wait_until_answered(end);  // that they have ended
  return {.answered = answered, .written = written};
}

}  // namespace kvs

kvs::HttpServer* kvs_open_http_server(const kvs::HttpOptions* options) {
  if (options->publish_after > 0 && options->keys.empty())
    kvs::fail(kvs::ErrorKind::argument, "text is published between tenants: a key file is needed");
  return new kvs::Service(*options);
}
