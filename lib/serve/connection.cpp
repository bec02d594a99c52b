#include "serve/connection.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace kvs {
namespace {

constexpr size_t kBufferBytes = 16 << 10;
constexpr int kSliceMs = 100;
constexpr int kLingerMs = 2000;
constexpr size_t kLeastBytesPerMs = 4;  // that a client takes, or its place is another's

thread_local Connection* current_connection = nullptr;

int ms_left(Connection::Clock::time_point end) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(end - Connection::Clock::now());
  return static_cast<int>(std::max<int64_t>(0, left.count()));
}

bool wait_for(int socket, short events, int timeout_ms) {
  pollfd poll_for{.fd = socket, .events = events, .revents = 0};
  int ready = 0;
  do {
    ready = poll(&poll_for, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

using NameOf = int (*)(int, sockaddr*, socklen_t*);

void ip_and_port(int socket, NameOf name_of, std::string& ip, int& port) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (name_of(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return;
  char host[NI_MAXHOST], service[NI_MAXSERV];
  if (getnameinfo(reinterpret_cast<sockaddr*>(&address), length, host, sizeof(host), service,
                  sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return;
  ip = host;
  port = std::atoi(service);
}

}  // namespace

Connection::Connection(int socket, const Limits& limits, const Patience& patience)
    : socket_(socket), limits_(limits), patience_(patience), buffer_(kBufferBytes) {
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  current_connection = this;
}

Connection::~Connection() {
  current_connection = nullptr;
  if (closes_) close_gently();
  ::shutdown(socket_, SHUT_RDWR);
  ::close(socket_);
}

Connection& Connection::current() {
  return *current_connection;
}

// A client that still sends would lose the answer if its bytes met a closed socket.
void Connection::close_gently() {
  ::shutdown(socket_, SHUT_WR);
  const auto end = Clock::now() + std::chrono::milliseconds(kLingerMs);
  size_t left = 2 * limits_.body_bytes;
  while (left > 0 && !patience_.over && wait_for(socket_, POLLIN, ms_left(end))) {
    const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (count <= 0) return;
    left -= std::min(left, static_cast<size_t>(count));
  }
}

bool Connection::wait_for_request(const std::function<int()>& timeout_ms) {
  const auto begun = Clock::now();
  while (!patience_.over && begin_ == end_) {
    const int left = ms_left(begun + std::chrono::milliseconds(timeout_ms()));
    if (wait_for(socket_, POLLIN, std::min(kSliceMs, left))) return !peer_gone();
    if (left == 0) return false;
  }
  return !patience_.over;
}

void Connection::begin_request() {
  arrived_ = Clock::now();
  head_.clear();
  body_bytes_ = sent_bytes_ = 0;
  waited_ = {};
  line_ends_ = 0;
  in_body_ = closes_ = too_large_ = timed_out_ = false;
  log = Json();
}

bool Connection::peer_gone() const {
  pollfd state{.fd = socket_, .events = POLLIN | POLLRDHUP, .revents = 0};
  if (poll(&state, 1, 0) <= 0) return false;
  if ((state.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return true;
  char byte = 0;
  return (state.revents & POLLRDHUP) != 0 &&
         ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

bool Connection::is_readable() const {
  return begin_ < end_ || wait_for(socket_, POLLIN, ms_to_arrive());
}

// write() waits.
bool Connection::is_writable() const {
  return !peer_gone();
}

int Connection::ms_to_arrive() const {
  const int most = std::min<int>(limits_.request_ms, patience_.request_ms);
  return ms_left(arrived_ + std::chrono::milliseconds(most));
}

// In slices, since the time may become shorter.
bool Connection::fill() {
  for (int left = ms_to_arrive(); left > 0; left = ms_to_arrive())
    if (wait_for(socket_, POLLIN, std::min(kSliceMs, left))) return receive();
  timed_out_ = true;
  return false;
}

bool Connection::receive() {
  const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
  if (count <= 0) return false;
  begin_ = 0;
  end_ = static_cast<size_t>(count);
  return true;
}

// The header ends with an empty line; chunks of a body have heads too, hence the eighth.
bool Connection::within_limits(const char* data, size_t size) {
  if (in_body_) {
    body_bytes_ += size;
    return body_bytes_ <= limits_.body_bytes + limits_.body_bytes / 8 + limits_.header_bytes;
  }
  for (size_t at = 0; at < size; ++at) {
    const bool expected = data[at] == (line_ends_ % 2 == 0 ? '\r' : '\n');
    line_ends_ = expected ? line_ends_ + 1 : (data[at] == '\r' ? 1 : 0);
    in_body_ = in_body_ || line_ends_ == 4;
  }
  head_.append(data, size);
  return head_.size() <= limits_.header_bytes;
}

ssize_t Connection::read(char* data, size_t size) {
  if (too_large_ || timed_out_) return -1;
  if (begin_ == end_ && !fill()) {
    closes_ = true;
    return -1;
  }
  const size_t count = std::min(size, end_ - begin_);
  std::memcpy(data, buffer_.data() + begin_, count);
  begin_ += count;
  if (within_limits(data, count)) return static_cast<ssize_t>(count);
  too_large_ = closes_ = true;
  return -1;
}

// Who takes a byte now and then would never be without a sign of life: all waiting for an answer is
// counted, and what was taken gives time for more.
bool Connection::wait_for_room() {
  const auto start = Clock::now();
  const std::chrono::milliseconds most(limits_.write_ms),
      all(limits_.write_ms + sent_bytes_ / kLeastBytesPerMs);
  const auto end = start + std::min<Clock::duration>(most, all - waited_);
  bool room = wait_for(socket_, POLLOUT, 0);
  while (!room && !patience_.over && ms_left(end) > 0)
    room = wait_for(socket_, POLLOUT, std::min(kSliceMs, ms_left(end)));
  waited_ += Clock::now() - start;
  return room;
}

ssize_t Connection::write(const char* data, size_t size) {
  while (wait_for_room()) {
    const ssize_t count = ::send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      sent_bytes_ += static_cast<size_t>(count);
      return count;
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return -1;
  }
  return -1;
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip_and_port(socket_, getpeername, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  ip_and_port(socket_, getsockname, ip, port);
}

}  // namespace kvs
