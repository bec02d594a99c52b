#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/json.h"
#include "serve/seats.h"

namespace kvs {

/// A client's socket as cpp-httplib reads and writes it, with limits that the library itself has
/// not: for a whole header, a whole body however it is encoded, the time for all of a request, and
/// the time that a client takes for all of an answer.
/// Source of the interface: httplib.h, class Stream.
class Connection : public httplib::Stream {
 public:
  using Clock = std::chrono::steady_clock;

  struct Limits {
    size_t header_bytes = 0;
    size_t body_bytes = 0;
    int write_ms = 0;    ///< for a client that takes nothing
    int request_ms = 0;  ///< for all of a request to arrive
  };

  /// What holds for all connections of a listener, and changes where it ends.
  struct Patience {
    std::atomic<int> request_ms = 0;  ///< the same, where it is shorter
    std::atomic<bool> over = false;   ///< nothing is read or written any more
  };

  /// Takes the socket, which is closed in the end. `patience` must outlive it.
  Connection(int socket, const Limits& limits, const Patience& patience);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// The connection that this thread serves.
  static Connection& current();

  /// Waits for a request to begin; false where none does in time, the client closes, or patience is
  /// over. `timeout_ms` is asked now and then.
  bool wait_for_request(const std::function<int()>& timeout_ms);
  /// Limits and log count from here on.
  void begin_request();

  /// Whether the client has closed its side. Bytes that wait to be read do not count.
  bool peer_gone() const;
  /// No further request is read: what is left of this one is not known.
  void close_after_response() { closes_ = true; }
  bool closes() const { return closes_; }
  bool too_large() const { return too_large_; }
  bool head_too_large() const { return too_large_ && !in_body_; }
  bool timed_out() const { return timed_out_; }
  /// What has been read of the request's head, as it was sent.
  std::string_view head() const { return head_; }
  Clock::time_point arrived() const { return arrived_; }

  Json log;                           ///< what is to be said of the request in the log
  bool overloaded = false;            ///< there are more connections than are served
  std::unique_ptr<Seats::Seat> seat;  ///< of the request

  // What cpp-httplib calls.
  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* data, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  int ms_to_arrive() const;
  bool fill();
  bool receive();
  bool wait_for_room();
  bool within_limits(const char* data, size_t size);
  void close_gently();

  int socket_;
  Limits limits_;
  const Patience& patience_;
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0;  // of what is read and not given out
  Clock::time_point arrived_ = Clock::now();
  std::string head_;       // given out
  size_t body_bytes_ = 0;  // given out
  int line_ends_ = 0;      // bytes of "\r\n\r\n" seen last
  bool in_body_ = false;
  size_t sent_bytes_ = 0;     // of the answer
  Clock::duration waited_{};  // for the client to take it
  bool closes_ = false, too_large_ = false, timed_out_ = false;
};

}  // namespace kvs
