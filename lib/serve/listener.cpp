#include "serve/listener.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>

#include "kvs/error.h"
#include "serve/connection_pool.h"

namespace kvs {
namespace {

constexpr int kBacklog = 512;    // the library's own is 5
constexpr int kTurnedAway = 16;  // threads for connections that are told to come again
constexpr int kShortMs = 2000;   // for what keeps others from being served

// Counts while it lives.
class Counted {
 public:
  explicit Counted(std::atomic<int>& count) : count_(count), number_(++count) {}
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  int number() const { return number_; }

 private:
  std::atomic<int>& count_;
  int number_;
};

// The library's default lets a second server take the same port.
void set_options(socket_t socket) {
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

// What a client is told that asks before it sends a body. The library goes on where it is 100.
int answer_expectation(const httplib::Request& request, httplib::Response& response, size_t most) {
  const std::string length = request.get_header_value("Content-Length");
  if (std::strtoull(length.c_str(), nullptr, 10) <= most) return 100;
  return response.status = 413;
}

}  // namespace

Listener::Listener(const HttpOptions& options) : options_(options) {
  hurry(options.request_timeout_ms);
  set_socket_options(set_options);
  set_payload_max_length(options.max_body_bytes);
  set_expect_100_continue_handler(
      [most = options.max_body_bytes](const auto& request, auto& response) {
        return answer_expectation(request, response, most);
      });
  set_keep_alive_timeout(options.keep_alive_ms / 1000);  // these two are only said to clients
  set_keep_alive_max_count(1000);
  new_task_queue = [most = options.connections + kTurnedAway] { return new ConnectionPool(most); };
}

Listener::~Listener() {
  finish();
}

void Listener::start() {
  port_ = options_.port == 0 ? bind_to_any_port(options_.host)
                             : (bind_to_port(options_.host, options_.port) ? options_.port : -1);
  if (port_ <= 0)
    fail(ErrorKind::io, "{}:{}: cannot listen there: not an address of this machine, or in use",
         options_.host, options_.port);
  ::listen(svr_sock_, kBacklog);
  thread_ = std::thread([this] { listen_after_bind(); });
  while (!is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void Listener::hurry(int request_ms) {
  patience_.request_ms = std::min(request_ms, options_.request_timeout_ms);
}

void Listener::finish() {
  hurry(0);
  patience_.over = true;
  if (!thread_.joinable()) return;
  stop();
  thread_.join();
}

bool Listener::process_and_close_socket(socket_t socket) {
  const Counted connected(connected_);
  const bool overloaded = connected.number() > options_.connections;
  Connection connection(socket,
                        {.header_bytes = options_.max_header_bytes,
                         .body_bytes = options_.max_body_bytes,
                         .write_ms = options_.write_timeout_ms,
                         .request_ms = overloaded ? kShortMs : options_.request_timeout_ms},
                        patience_);
  connection.overloaded = overloaded;
  const auto idle_ms = [&] {
    return crowded() ? std::min(kShortMs, options_.keep_alive_ms) : options_.keep_alive_ms;
  };
  while (connection.wait_for_request(idle_ms) && serve_request(connection)) {
  }
  return true;
}

// Whether another one may follow.
bool Listener::serve_request(Connection& connection) {
  const Counted request(in_flight_);
  connection.begin_request();
  bool closed = false;
  // Whole answers are small, and parts of them, thousands at a time, would be large.
  const bool good = process_request(connection, false, closed,
                                    [](httplib::Request& asked) { asked.ranges.clear(); });
  connection.seat.reset();
  return good && !closed && !connection.closes();
}

}  // namespace kvs
