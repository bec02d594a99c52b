#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "support/temporary_folder.h"

namespace kvs::test {

/// A real redis-server of this test's own, without persistence.
class RedisServer {
 public:
  static bool is_installed() { return std::system("command -v redis-server > /dev/null") == 0; }

  RedisServer() : port_(free_port()) { start(); }
  ~RedisServer() { kill(); }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }

  /// Returns when it takes connections.
  void start() {
    const std::string port = std::to_string(port_), folder = folder_.path().string();
    process_ = fork();
    if (process_ == 0) {
      execlp("redis-server", "redis-server", "--port", port.c_str(), "--bind", "127.0.0.1",
             "--save", "", "--appendonly", "no", "--dir", folder.c_str(), "--loglevel", "warning",
             "--logfile", "log", nullptr);
      _exit(127);
    }
    while (!answers()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  /// As kill -9 does; what it held is gone.
  void kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    process_ = -1;
  }

  void pause() const { ::kill(process_, SIGSTOP); }
  void go_on() const { ::kill(process_, SIGCONT); }

 private:
  static sockaddr_in address(int port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(static_cast<uint16_t>(port));
    return at;
  }

  static int free_port() {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at = address(0);
    socklen_t size = sizeof at;
    bind(listener, reinterpret_cast<sockaddr*>(&at), size);
    getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
    close(listener);
    return ntohs(at.sin_port);
  }

  bool answers() const {
    const int client = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in at = address(port_);
    const int result = connect(client, reinterpret_cast<const sockaddr*>(&at), sizeof at);
    close(client);
    return result == 0;
  }

  TemporaryFolder folder_;
  int port_;
  pid_t process_ = -1;
};

}  // namespace kvs::test
