#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kvs/embedder.h"
#include "kvs/http_server.h"
#include "kvs/json.h"
#include "kvs/model.h"
#include "support/tiny_model.h"

namespace kvs::test {

/// A server over the model of the stories, in f32, and clients for it.
class HttpScene : public testing::Test {
 protected:
  void start(HttpOptions options, int parallel = 8, int64_t blocks = 256) {
    make_engine(parallel, blocks);
    open(std::move(options));
  }

  void make_engine(int parallel, int64_t blocks) {
    server.reset();
    engine = std::make_unique<Engine>(
        model.transformer(), model.prompts().tokenizer(),
        EngineOptions{.max_blocks = blocks, .kv_type = DType::f32, .parallel = parallel});
  }

  void open(HttpOptions options) {
    options.port = 0;
    options.model = "stories";
    server = start_http_server(model, *engine, &embedder, options);
  }

  httplib::Client client() const {
    httplib::Client client("127.0.0.1", server->port());
    client.set_read_timeout(60);
    return client;
  }

  /// What the server answers; a null body where there was no answer.
  struct Answer {
    int status = 0;
    Json json;
    httplib::Headers headers;

    std::string code() const {
      const Json* error = json.find("error");
      return error && error->get("code").is_string() ? error->get("code").as_string() : "";
    }
    const Json& choice(size_t index = 0) const { return json.get("choices").as_array().at(index); }
    int64_t cached() const {
      return json.get("usage").get("prompt_tokens_details").get("cached_tokens").as_int();
    }
  };

  Answer post(const std::string& path, const std::string& body,
              const httplib::Headers& headers = {}) const {
    return answer_of(client().Post(path, headers, body, "application/json"));
  }
  Answer get(const std::string& path, const httplib::Headers& headers = {}) const {
    return answer_of(client().Get(path, headers));
  }

  Answer remove(const std::string& path, const httplib::Headers& headers = {}) const {
    return answer_of(client().Delete(path, headers));
  }

  static Answer answer_of(const httplib::Result& result) {
    if (!result) return {};
    const bool is_json = result->get_header_value("Content-Type").starts_with("application/json");
    return {.status = result->status,
            .json = is_json ? Json::parse(result->body, "answer") : Json(result->body),
            .headers = result->headers};
  }

  /// A number of /metrics.
  double metric(const std::string& name) const {
    const std::string text = "\n" + get("/metrics").json.as_string();
    const size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  }

  BackendOptions device = test_backend();
  std::unique_ptr<Backend> backend = make_backend(device);
  Model model{data_path("stories260K.gguf"), *backend,
              ModelOptions{.compute = Compute::f32, .prompts = {.chat_template = "chatml"}}};
  std::unique_ptr<ModelFiles> files = open_model_files(data_path("stories260K.gguf"));
  StaticEmbedder embedder{*files};
  std::unique_ptr<Engine> engine;
  std::unique_ptr<HttpServer> server;
};

/// A connection that sends what it likes.
class RawClient {
 public:
  /// `narrow`: little fits between the server and it.
  explicit RawClient(int port, bool narrow = false) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const int bytes = 4096, segment = 536;
    if (narrow) {
      setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
      setsockopt(socket_, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    timeval patience{.tv_sec = 60, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  bool send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t count = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      text.remove_prefix(static_cast<size_t>(count));
    }
    return true;
  }
  /// Everything from the beginning until the server closes, or until `end` has come.
  std::string receive(std::string_view end = "") {
    char buffer[4096];
    while (end.empty() || received_.find(end) == std::string::npos) {
      const ssize_t count = ::recv(socket_, buffer, sizeof(buffer), 0);
      if (count <= 0) break;
      received_.append(buffer, static_cast<size_t>(count));
    }
    return received_;
  }

 private:
  int socket_;
  bool connected_ = false;
  std::string received_;
};

/// The data of server-sent events, parsed; "[DONE]" becomes a string.
inline std::vector<Json> events_of(const std::string& body) {
  std::vector<Json> events;
  for (size_t at = 0; at < body.size();) {
    const size_t end = body.find("\n\n", at);
    const std::string event = body.substr(at, end - at);
    at = end == std::string::npos ? body.size() : end + 2;
    if (!event.starts_with("data: ")) continue;
    const std::string data = event.substr(6);
    events.push_back(data == "[DONE]" ? Json(data) : Json::parse(data, "event"));
  }
  return events;
}

}  // namespace kvs::test
