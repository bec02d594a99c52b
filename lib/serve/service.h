#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/http_server.h"
#include "serve/decision_log.h"
#include "serve/engine_loop.h"
#include "serve/exchange.h"
#include "serve/generation_request.h"
#include "serve/host_names.h"
#include "serve/listener.h"
#include "serve/metrics.h"
#include "serve/origins.h"
#include "serve/rate_limits.h"
#include "serve/seats.h"
#include "serve/tenants.h"
#include "serve/turn_queue.h"

namespace kvs {

/// The routes of the server and what they need. Every route runs in the thread of its connection.
class Service : public HttpServer {
 public:
  explicit Service(const HttpOptions& options);
  ~Service() override;

  int port() const override { return listener_.port(); }
  void serve(Model& model, Engine& engine, const Embedder* embedder,
             const ReuseOptions& reuse) override;
  void reload_keys() override;
  std::string failure() const override;
  Drained drain(std::chrono::milliseconds timeout) override;

 private:
  using Clock = std::chrono::steady_clock;
  using Handler = void (Service::*)(Exchange&);
  struct Route {
    std::string_view method;
    std::string_view path;
    Handler handler;
  };
  static const std::array<Route, 13> kRoutes;
  static constexpr const char* kRequestId = "x-request-id";

  // service.cpp
  EngineLoop::Options loop_options();
  void add_routes();
  void add_handlers();
  void add(const Route& route);
  std::optional<std::string> read_body(const httplib::ContentReader& reader,
                                       httplib::Response& response) const;
  size_t max_values() const;
  BodyFields take_fields(Exchange& exchange) const;
  void run(Handler handler, const httplib::Request& request, httplib::Response& response,
           std::string body);
  void finish_head(httplib::Response& response) const;
  void explain_failure(const httplib::Request& request, httplib::Response& response);
  void note(const httplib::Request& request, const httplib::Response& response);
  void log(const Json& line);
  void warn(std::string_view text);
  bool wait_until_answered(Clock::time_point end) const;

  // routes.cpp
  static std::string route_of(const std::string& path);
  static std::string methods_of(const std::string& path);
  static bool is_public(const std::string& path);   // these look for themselves whom they answer
  static bool is_watched(const std::string& path);  // by whoever looks after the server
  void tell_methods(Exchange& exchange);

  // admission.cpp
  bool admit(const httplib::Request& request, httplib::Response& response);
  void check_host(const httplib::Request& request) const;
  void check_origin(const httplib::Request& request) const;
  void greet_page(const httplib::Request& request, httplib::Response& response) const;
  void check_caller(const httplib::Request& request, Connection& connection);
  bool from_this_machine(const httplib::Request& request) const;
  void count_request(const Caller& caller);
  Caller caller_of(const httplib::Request& request) const;

  // generate.cpp
  void chat(Exchange& exchange);
  void complete(Exchange& exchange);
  GenerationDefaults defaults() const;
  void generate(Exchange& exchange, const GenerationRequest& request);
  std::vector<Job> make_jobs(const Exchange& exchange, const GenerationRequest& request,
                             const std::string& id) const;
  std::vector<int32_t> encode(const Prompt& prompt, const char* field, int64_t most) const;
  void log_prompts(Exchange& exchange, const std::vector<Job>& jobs) const;

  // model_routes.cpp
  void list_models(Exchange& exchange);
  void show_model(Exchange& exchange);
  void embed(Exchange& exchange);
  std::vector<float> embed_in_turn(Exchange& exchange, TurnQueue::Place& place,
                                   const std::vector<int32_t>& tokens);
  void tokenize(Exchange& exchange);
  void detokenize(Exchange& exchange);
  Json model_entry(const std::string& id) const;
  void require_model(const std::string& name) const;

  // donor_routes.cpp
  std::optional<std::string> tenant_to_delete(Exchange& exchange);
  void delete_donors(Exchange& exchange);

  // status_routes.cpp
  void health(Exchange& exchange);
  void ready(Exchange& exchange);
  void page(Exchange& exchange);
  void metrics(Exchange& exchange);
  void decisions(Exchange& exchange);
  void check_watcher(const httplib::Request& request) const;

  TurnQueue embedding_;  // embedders are not thread-safe
  HttpOptions options_;
  int64_t started_;  // seconds since 1970
  std::mutex log_mutex_;
  HostNames hosts_;
  Origins origins_;
  Tenants tenants_;
  RateLimits rates_;
  Seats seats_;
  Metrics metrics_;
  DecisionLog decisions_;
  std::atomic<bool> draining_ = false;
  std::atomic<bool> serving_ = false;  // the next ones are there
  Model* model_ = nullptr;
  Engine* engine_ = nullptr;
  const Embedder* embedder_ = nullptr;
  int64_t context_ = 0;  // of a prompt and its answer together
  std::optional<EngineLoop> loop_;
  Listener listener_;
};

}  // namespace kvs
