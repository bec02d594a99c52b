#include "tools/eval_load.h"

#include <algorithm>
#include <iterator>

#include "kvs/error.h"
#include "tools/input.h"
#include "tools/load_table.h"
#include "tools/machine.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/source_commit.h"
#include "tools/tool.h"

namespace kvs {
namespace {

void add_requests(CLI::App& load, LoadCommand& command) {
  load.add_option("--workload", command.files, "Requests to send, as kvs-serve run takes them")
      ->type_name("FILE")
      ->allow_extra_args()
      ->required();
  load.add_option("--limit", command.limit, "Only the first N requests by time")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 30));
  load.add_option("--max-tokens", command.max_tokens, "Length of an answer at most")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  load.add_option("--extra-body", command.extra_body,
                  "JSON object whose fields every request gets besides its own")
      ->type_name("JSON");
}

void add_server(CLI::App& load, LoadCommand& command) {
  load.add_option("--url", command.server.url, "The server: http://HOST[:PORT][/PATH]")
      ->type_name("URL")
      ->required();
  load.add_option("--model-name", command.model,
                  "What the server calls the model; otherwise the first one that it names")
      ->type_name("NAME");
  load.add_option("--api-key", command.api_key, "For tenants that are not in --keys")
      ->type_name("KEY");
  load.add_option("--keys", command.keys, "API keys of tenants: lines of 'TENANT KEY'")
      ->type_name("FILE");
  load.add_option("--timeout", command.timeout_s,
                  "Give a request up after so long without a sign of life")
      ->type_name("SECONDS")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 86400.0));
  load.add_option("--connections", command.load.connections, "At the same time, at most")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 900));  // the HTTP library takes no descriptors from 1024 on
}

void add_arrivals(CLI::App& load, LoadCommand& command) {
  const CLI::Range above_zero(1e-6, 1e6);
  CLI::Option* rate = load.add_option("--rate", command.load.rate,
                                      "Independent arrivals (Poisson): so many a second");
  rate->type_name("R")->check(above_zero);
  CLI::Option* speed =
      load.add_option("--speed", command.load.speed, "As arrival_ms says, so many times as fast");
  speed->type_name("X")->check(above_zero)->excludes(rate);
  load.add_option("--concurrency", command.load.concurrency,
                  "So many at a time: each when another one is answered")
      ->type_name("N")
      ->check(CLI::Range(1, 900))
      ->excludes(rate)
      ->excludes(speed);
  load.add_option("--seed", command.load.seed, "Of --rate")->type_name("N")->capture_default_str();
  load.add_option("--duration", command.load.duration_s, "No request comes later than that")
      ->type_name("SECONDS")
      ->check(above_zero);
}

std::vector<LoadRequest> read_requests(const LoadCommand& command, const std::string& model) {
  LoadRequestOptions options{.model = model, .max_tokens = command.max_tokens};
  if (!command.extra_body.empty()) {
    options.extra = Json::parse(command.extra_body, "--extra-body");
    if (!options.extra.is_object())
      fail(ErrorKind::argument, "--extra-body: expected an object, found {}",
           options.extra.type_name());
  }
  std::vector<LoadRequest> requests;
  for (const std::string& file : command.files) {
    Input input(file);
    auto more = read_load_requests(input.stream(), input.name(), options);
    std::move(more.begin(), more.end(), std::back_inserter(requests));
  }
  const auto earlier = [](const LoadRequest& a, const LoadRequest& b) {
    return a.arrival_ms < b.arrival_ms;
  };
  std::stable_sort(requests.begin(), requests.end(), earlier);
  if (command.limit > 0 && command.limit < std::ssize(requests)) requests.resize(command.limit);
  return requests;
}

void set_keys(const LoadCommand& command, std::vector<LoadRequest>& requests) {
  std::map<std::string, std::string> keys;
  if (!command.keys.empty()) {
    Input input(command.keys);
    keys = read_load_keys(input.stream(), input.name());
  }
  for (LoadRequest& request : requests) {
    const auto key = keys.find(request.tenant);
    request.key = key == keys.end() ? command.api_key : key->second;
    if (request.key.empty() && !command.keys.empty())
      fail(ErrorKind::argument, "{}: tenant '{}' of request '{}' has no key", command.keys,
           request.tenant, request.id);
  }
}

// Also shows early that nobody is there, or that the key is not known.
std::string first_model(const ApiClientOptions& server, const std::string& key) {
  const std::vector<std::string> models = open_api_client(server)->models(key);
  if (models.empty()) fail(ErrorKind::io, "{}: the server has no models", server.url);
  return models.front();
}

std::vector<LoadSample> send(const LoadCommand& command, const ApiClientOptions& server,
                             const std::vector<LoadRequest>& requests) {
  Progress progress("asking", "requests", std::ssize(requests));
  LoadOptions load = command.load;
  load.on_progress = [&, shown = int64_t{0}](int64_t answered) mutable {
    progress.add(answered - std::exchange(shown, answered));
    return interrupted() == 0;
  };
  return run_load(requests, load, [&] { return open_api_client(server); });
}

Json arrivals_to_json(const LoadOptions& load) {
  if (load.rate > 0) return Json::Object{{"rate", load.rate}, {"seed", load.seed}};
  if (load.speed > 0) return Json::Object{{"speed", load.speed}};
  return Json::Object{{"concurrency", load.concurrency}};
}

void save(const LoadCommand& command, const std::string& model,
          const std::vector<LoadSample>& samples, const Json& load) {
  std::string lines;
  for (const LoadSample& sample : samples) lines += load_sample_to_json(sample).dump() + "\n";
  if (!command.detail.empty()) write_file(command.detail, lines);
  if (command.json.empty()) return;
  Json json = Json::Object{{"url", command.server.url},
                           {"model", model},
                           {"machine", machine_description()},
                           {"commit", source_commit()},
                           {"arrivals", arrivals_to_json(command.load)},
                           {"load", load}};
  write_file(command.json, json.dump(1) + "\n");
}

}  // namespace

CLI::App* add_load_command(CLI::App& app, LoadCommand& command) {
  CLI::App* load = app.add_subcommand("load", "Send requests to a server and time the answers");
  add_server(*load, command);
  add_requests(*load, command);
  add_arrivals(*load, command);
  load->add_option("--ttft-limit", command.ttft_limit_ms,
                   "Goodput counts requests whose first token comes within so long")
      ->type_name("MS")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1e9));
  load->add_option("--json", command.json, "Write the figures to this file; -: standard output")
      ->type_name("FILE");
  load->add_option("--detail", command.detail, "Write a JSON line for each request")
      ->type_name("FILE");
  return load;
}

int run_load_command(const LoadCommand& command) {
  if (command.json == "-" && command.detail == "-")
    fail(ErrorKind::argument, "--json and --detail cannot both be standard output");
  if (command.load.rate + command.load.speed + command.load.concurrency <= 0)
    fail(ErrorKind::argument, "--rate, --speed or --concurrency is needed");
  std::vector<LoadRequest> requests = read_requests(command, command.model);
  set_keys(command, requests);
  ApiClientOptions server = command.server;
  server.timeout_ms = std::max(1, static_cast<int>(command.timeout_s * 1000));
  std::string model = command.model;
  if (model.empty()) {
    model = first_model(server, requests.front().key);
    for (LoadRequest& request : requests)
      if (request.body.get("model").dump() == R"("")") request.body.set("model", model);
  }

  const std::vector<LoadSample> samples = send(command, server, requests);
  const Json load = summarize_load(samples, command.ttft_limit_ms);
  if (command.json != "-" && command.detail != "-") write_out(load_table_of(load));
  flush_out();
  save(command, model, samples, load);
  return load.get("answered").as_int() == load.get("requests").as_int() ? kExitOk : kExitNegative;
}

}  // namespace kvs
