#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/embedder.h"
#include "kvs/engine.h"
#include "kvs/export.h"
#include "kvs/model.h"

namespace kvs {

/// Who is served next where more wait than are worked on; kvs-serve(1) says how far the second one
/// may go.
enum class Schedule {
  fcfs,  ///< whoever came first
  work,  ///< tenants in turns, and of each the request with the least expected work
};

struct HttpOptions {
  std::string host = "127.0.0.1";  ///< name or address to listen on
  int port = 8080;                 ///< 0: any that is free
  std::string model = "model";     ///< its name to clients
  std::filesystem::path keys;      ///< API keys, see kvs-serve(1); empty: one local tenant
  /// Without keys: names besides `host`, localhost and addresses by which clients may call it.
  std::vector<std::string> allowed_hosts;
  /// Origins of web pages, besides its own one, that may send it more than questions about what
  /// there is, and read the answers: SCHEME://HOST[:PORT] or "null".
  std::vector<std::string> allowed_origins;

  int publish_after = 0;  ///< tenants that must hold a text for others to share it; 0: none do

  /// Served at the same time; others are told to come again. A tenant may have as many requests
  /// under way as connections are without one.
  int connections = 512;
  int64_t max_waiting = 256;  ///< choices that wait for their turn
  Schedule schedule = Schedule::work;
  bool followers = true;  ///< prompts wait for the rows of similar ones that are being computed
  Exactify exactify = Exactify::idle;
  size_t max_body_bytes = 4 << 20;     ///< of a request
  size_t max_header_bytes = 64 << 10;  ///< of a request, its first line included
  int request_timeout_ms = 60'000;     ///< for a request to arrive
  int write_timeout_ms = 30'000;       ///< for a client that does not take what is sent
  int keep_alive_ms = 60'000;          ///< for the next request on a connection
  int ping_ms = 15'000;                ///< silence in a stream after which ": ping" is sent

  // What requests get where they say nothing.
  int64_t max_tokens = 1024;
  SamplingOptions sampling{.temperature = 1};
  ReuseOptions reuse;

  /// Whether the log has the prompts' text, which else is in none of its lines.
  bool log_prompts = false;
  /// Takes a line of JSON for each request and for what else is worth a line; never an answer's
  /// text. Called from several threads, one at a time.
  std::function<void(std::string_view line)> log;
};

/// A server of the OpenAI API over a model: chats, completions, embeddings, and what goes with them
/// (kvs-serve(1) lists the routes). Serves from threads of its own until it is destroyed, which
/// ends what is under way.
class KVS_API HttpServer {
 public:
  virtual ~HttpServer() = default;

  virtual int port() const = 0;

  /// To be called once: the model from here on answers. Until then all but /health and the page get
  /// status 503 with the code "loading". Model, engine and embedder must outlive the server and are
  /// its own until then; a null embedder refuses embeddings. Throws Error(argument) where the model
  /// has no tokenizer.
  virtual void serve(Model& model, Engine& engine, const Embedder* embedder,
                     const ReuseOptions& reuse) = 0;

  /// Reads the key file again. Throws what the start does, and goes on with the keys there were.
  virtual void reload_keys() = 0;

  /// Why nothing is answered any more, but by 503: a pass failed. "" where all is well.
  virtual std::string failure() const = 0;

  struct Drained {
    bool answered = false;  ///< every request
    bool written = false;   ///< all donors, to their tiers
  };
  /// From here on new requests are refused with 503. Others have two thirds of `timeout` to be
  /// answered; then they end, behind the next pass at the latest, and donors are written for what
  /// is left of it. Returns when all is done, or after `timeout` and that pass.
  virtual Drained drain(std::chrono::milliseconds timeout) = 0;
};

/// A server that listens, and waits for HttpServer::serve(). Throws Error(argument) where text is
/// to be published without a key file or an origin is none, Error(io) where it cannot listen or
/// read the key file, Error(format) where that makes no sense.
KVS_API std::unique_ptr<HttpServer> open_http_server(const HttpOptions& options);

/// One that serves at once, with options.reuse. Throws what both do.
KVS_API std::unique_ptr<HttpServer> start_http_server(Model& model, Engine& engine,
                                                      const Embedder* embedder,
                                                      const HttpOptions& options);

}  // namespace kvs
