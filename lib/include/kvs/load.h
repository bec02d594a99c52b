#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kvs/api_client.h"
#include "kvs/export.h"
#include "kvs/json.h"

namespace kvs {

/// A request as it is sent to a server.
struct LoadRequest {
  std::string id;
  std::string tenant;
  std::string key;        ///< API key; empty: none
  double arrival_ms = 0;  ///< as the workload says
  Json body;
};

struct LoadRequestOptions {
  std::string model;           ///< as the server calls it
  int64_t max_tokens = 64;     ///< of an answer at most; requests may ask for less, but at least 1
  Json extra{Json::Object{}};  ///< members that every body gets, whatever the request says
};

/// Reads requests as RequestReader does, in their order: messages become a body of chat
/// completions, other prompts one of completions. Throws what RequestReader throws, and
/// Error(format) where there is no request.
KVS_API std::vector<LoadRequest> read_load_requests(std::istream& in, const std::string& source,
                                                    const LoadRequestOptions& options);

/// API keys by tenant: a line "TENANT KEY" for each; empty lines and those that begin with '#' are
/// passed over. Throws Error(format) "keys:7: …".
KVS_API std::map<std::string, std::string> read_load_keys(std::istream& in,
                                                          const std::string& source);

struct LoadOptions {
  // When requests come; exactly one of these is above 0.
  double rate = 0;      ///< independently of each other (Poisson), so many a second on average
  double speed = 0;     ///< as their arrival_ms say, so many times as fast
  int concurrency = 0;  ///< so many at a time: each when another one is answered (a closed loop)

  uint64_t seed = 1;      ///< of the arrivals; the same one gives the same on every machine
  double duration_s = 0;  ///< no request comes later than that; 0: all come
  int connections = 512;  ///< at the same time, at most; what has to wait for one, waits measurably

  /// Called from time to time with the number of requests answered; false ends the load.
  std::function<bool(int64_t answered)> on_progress;
};

/// What became of a request, in ms.
struct LoadSample {
  std::string id;
  std::string tenant;
  double due_ms = 0;    ///< since the start: when the request came
  double sent_ms = 0;   ///< since the start
  double first_ms = 0;  ///< since it came: when the first text was there, or else the end
  double last_ms = 0;   ///< since it came: when the last text was there, or else the end
  double total_ms = 0;  ///< since it came: when the answer had ended
  ApiReply reply;

  bool answered() const { return reply.error.empty(); }
  /// As the server counts them, or else the events with text.
  int64_t tokens() const { return reply.usage ? reply.usage->completion_tokens : reply.pieces; }
};

/// When requests come, in ms since the start, in their order; not in a closed loop. `requests` are
/// sorted by arrival. Those beyond the duration are left out.
KVS_API std::vector<double> load_arrivals(std::span<const LoadRequest> requests,
                                          const LoadOptions& options);

/// Sends the requests, sorted by arrival, and returns what became of those that came, in their
/// order. A request counts from when it comes, whether or not it can be sent then, so that a server
/// that falls behind is charged for the waiting (no coordinated omission). `open` makes the
/// clients, one for each connection. Throws Error(argument) where the options make no sense.
KVS_API std::vector<LoadSample> run_load(std::span<const LoadRequest> requests,
                                         const LoadOptions& options,
                                         const std::function<std::unique_ptr<ApiClient>()>& open);

/// Throughput, times and errors; kvs-eval(1) describes the fields. `ttft_limit_ms`: what counts as
/// soon enough for goodput.
KVS_API Json summarize_load(std::span<const LoadSample> samples, double ttft_limit_ms);

/// One sample as a line of JSON.
KVS_API Json load_sample_to_json(const LoadSample& sample);

}  // namespace kvs
