#include "tools/serve_http.h"

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "kvs/error.h"
#include "tools/config_file.h"
#include "tools/interrupt.h"
#include "tools/message.h"
#include "tools/model_path.h"
#include "tools/output.h"
#include "tools/tool.h"

namespace kvs {
namespace {

constexpr std::chrono::milliseconds kLookForEnd{50};
constexpr std::chrono::seconds kLastResort{1};

// What clients call the model: the installed name, or the file's without its ending.
std::string public_name(const std::string& model) {
  const std::filesystem::path path(model);
  return path.extension() == ".gguf" ? path.stem().string() : path.filename().string();
}

std::string address(const HttpOptions& http, int port) {
  const bool is_ipv6 = http.host.find(':') != std::string::npos;
  return fmt::format("http://{}:{}", is_ipv6 ? "[" + http.host + "]" : http.host, port);
}

// Whether other machines reach it.
bool is_open(const std::string& host) {
  return host != "localhost" && host != "::1" && !host.starts_with("127.");
}

void add_limit(CLI::App& app, const char* name, const char* description, const char* unit,
               std::function<void(int)> set, int usual, int most) {
  app.add_option_function<int>(name, std::move(set), description)
      ->type_name(unit)
      ->default_str(std::to_string(usual))
      ->check(CLI::Range(1, most));
}

void add_limits(CLI::App& app, HttpOptions& http) {
  app.add_option("--max-waiting", http.max_waiting, "Choices that wait for their turn")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--connections", http.connections, "Connections served at the same time")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 900));  // the HTTP library takes no descriptors from 1024 on
  add_limit(
      app, "--max-body", "Of a request at most", "MIB",
      [&http](int size) { http.max_body_bytes = static_cast<size_t>(size) << 20; },
      static_cast<int>(http.max_body_bytes >> 20), 1 << 10);
  add_limit(
      app, "--max-header", "Of a request at most, its first line included", "KIB",
      [&http](int size) { http.max_header_bytes = static_cast<size_t>(size) << 10; },
      static_cast<int>(http.max_header_bytes >> 10), 1 << 10);
  add_limit(
      app, "--request-timeout", "For all of a request to arrive", "SECONDS",
      [&http](int time) { http.request_timeout_ms = time * 1000; }, http.request_timeout_ms / 1000,
      86'400);
  add_limit(
      app, "--write-timeout", "For a client that does not take what is sent", "SECONDS",
      [&http](int time) { http.write_timeout_ms = time * 1000; }, http.write_timeout_ms / 1000,
      86'400);
}

void add_clients(CLI::App& app, HttpOptions& http) {
  CLI::Option* keys =
      app.add_option("--keys", http.keys, "API keys and their tenants; read again on SIGHUP")
          ->type_name("FILE");
  app.add_option("--allow-host", http.allowed_hosts,
                 "Without keys: a name by which clients may call it; localhost, --host and "
                 "addresses always may")
      ->type_name("NAME")
      ->allow_extra_args(false);
  app.add_option("--allow-origin", http.allowed_origins,
                 "A web page that may ask this server, besides its own: SCHEME://HOST[:PORT]")
      ->type_name("ORIGIN")
      ->allow_extra_args(false);
  app.add_option("--publish-after", http.publish_after,
                 "Let all tenants share text that K of them hold, of 3 or more")
      ->type_name("K")
      ->check(CLI::Range(3, 1 << 20))
      ->needs(keys);
  app.add_option("--model-name", http.model, "What clients call the model")->type_name("NAME");
  app.add_flag("--log-prompts", http.log_prompts, "Keep the text of prompts in the log");
}

// Ends the program, unless it is told to stop: a pass of a large model may take longer than what is
// left, and a disk too. What is in a folder stays whole.
std::jthread leave_after(std::chrono::seconds time) {
  return std::jthread([time](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    stopped.wait_for(lock, stop, time, [] { return false; });
    if (stop.stop_requested()) return;
    warn("not all of it ended in time");
    std::_Exit(kExitOk);
  });
}

void drain(HttpServer& server, std::chrono::seconds time) {
  explain("finishing what was begun");
  const HttpServer::Drained drained = server.drain(time);
  if (!drained.answered) warn("some answers were not finished in time");
  if (!drained.written) warn("some donors were not written in time");
}

HttpOptions completed(HttpOptions http, const ServeOptions& serve) {
  if (http.model.empty()) http.model = public_name(serve.model);
  http.max_tokens = serve.max_tokens;
  http.sampling = serve.sampling;
  http.schedule = serve.schedule == "fcfs" ? Schedule::fcfs : Schedule::work;
  http.followers = !serve.no_followers;
  http.exactify = exactify_from_name(serve.exactify);
  http.log = [](std::string_view line) { log_line(line); };
  return http;
}

// Not the index's, which is the engine's thread's own.
EmbedderChoice embedder_of(const ServeOptions& serve, const Model& model) {
  return {.name = serve.embedder == "auto" ? "static" : serve.embedder,
          .model = resolve_model(serve.model),
          .tokenizer = model.prompts().tokenizer(),
          .backend = serve.compute.backend};
}

void reload(HttpServer& server) {
  try {
    server.reload_keys();
    explain("the keys were read again");
  } catch (const Error& e) {
    say(fmt::format("{}; the keys stay as they were", e.what()));
  }
}

}  // namespace

CLI::App* add_http_command(CLI::App& app, ServeOptions& serve, HttpOptions& http) {
  CLI::App* command = app.add_subcommand("http", "Answer clients of the OpenAI API");
  add_config_option(*command);
  add_serve_options(*command, serve);
  command->get_option("--model")->required(false);  // which a file may name
  command->add_option("--host", http.host, "Address to listen on")
      ->type_name("HOST")
      ->capture_default_str();
  command->add_option("--port", http.port, "Port to listen on; 0: any that is free")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535));
  command->add_option("--parallel", serve.parallel, "Choices worked on at the same time")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, Transformer::kMaxLogitsRows));
  command
      ->add_option("--schedule", serve.schedule,
                   "Who is next where many wait: work (the least work of each tenant in turn, "
                   "within bounds) or fcfs (who came first)")
      ->type_name("NAME")
      ->capture_default_str()
      ->check(CLI::IsMember({"work", "fcfs"}));
  command->add_flag("--no-followers", serve.no_followers,
                    "Let no prompt wait for the rows of a similar one that is being computed");
  command
      ->add_option("--drain-timeout", serve.drain_timeout_s,
                   "From SIGTERM or SIGINT to the end at most")
      ->type_name("SECONDS")
      ->capture_default_str()
      ->check(CLI::Range(0, 86'400));
  add_limits(*command, http);
  add_clients(*command, http);
  return command;
}

int serve_http(const ServeOptions& serve, HttpOptions options) {
  catch_hangups();
  if (is_open(options.host) && options.keys.empty())
    warn("{}: whoever reaches this machine is served, since there are no --keys", options.host);
  const HttpOptions http = completed(std::move(options), serve);
  resolve_model(serve.model);  // or nobody need connect
  std::jthread last_resort;
  std::optional<Server> model;
  std::optional<ChosenEmbedder> embedder;
  const auto server = open_http_server(http);
  explain("listening on {}, and loading the model", address(http, server->port()));
  model.emplace(serve);
  check_interrupt();
  embedder.emplace(embedder_of(serve, model->model()));
  server->serve(model->model(), model->engine(), &**embedder, model->reuse());
  write_line(address(http, server->port()));
  while (interrupted() == 0 && server->failure().empty()) {
    if (take_hangup()) reload(*server);
    std::this_thread::sleep_for(kLookForEnd);
  }
  const std::chrono::seconds time(serve.drain_timeout_s);
  last_resort = leave_after(time + kLastResort);
  drain(*server, time);
  if (!server->failure().empty()) fail(ErrorKind::device, "{}", server->failure());
  clear_interrupt();  // it was obeyed
  return kExitOk;
}

}  // namespace kvs
