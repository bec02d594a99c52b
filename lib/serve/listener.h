#pragma once

#include <httplib.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "kvs/http_server.h"
#include "serve/connection.h"

namespace kvs {

/// A cpp-httplib server that reads and writes through Connection and listens on a thread of its
/// own. Add the routes, then start().
class Listener : public httplib::Server {
 public:
  explicit Listener(const HttpOptions& options);
  ~Listener() override;

  /// Throws Error(io) where it cannot listen.
  void start();
  int port() const { return port_; }
  /// Connections that wait for a request are closed, and nothing is accepted any more.
  void finish();
  /// A request that takes longer than this to arrive is not waited for.
  void hurry(int request_ms);
  /// Requests being read or answered.
  int in_flight() const { return in_flight_; }
  /// Whether more than half of the connections there may be are there.
  bool crowded() const { return connected_ > options_.connections / 2; }

 private:
  bool process_and_close_socket(socket_t socket) override;
  bool serve_request(Connection& connection);

  const HttpOptions& options_;
  int port_ = 0;
  std::atomic<int> connected_ = 0;
  std::atomic<int> in_flight_ = 0;
  Connection::Patience patience_;
  std::thread thread_;
};

}  // namespace kvs
