#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <tuple>
#include <utility>

#include "kvs/error.h"
#include "serve/event_reader.h"
#include "serve/http_module.h"
#include "serve/streamed_reply.h"

namespace kvs {
namespace {

constexpr size_t kMaxRefusalBytes = 64 << 10;
constexpr int kConnectSeconds = 10;

using Clock = std::chrono::steady_clock;

// Where a server is, and what stands in front of its routes.
struct Address {
  std::string server;  // scheme, host and port
  std::string path;    // without a slash at its end
};

Address parse_url(const std::string& url) {
  const size_t scheme = url.find("://");
  const std::string name = url.substr(0, scheme);
  if (scheme == std::string::npos || (name != "http" && name != "https"))
    fail(ErrorKind::argument, "{}: expected http://HOST[:PORT] or https://HOST[:PORT]", url);
  const size_t host = scheme + 3, slash = std::min(url.find('/', host), url.size());
  Address address{.server = url.substr(0, slash), .path = url.substr(slash)};
  while (address.path.ends_with('/')) address.path.pop_back();
  if (address.path.ends_with("/v1")) address.path.resize(address.path.size() - 3);
  if (slash == host || url.find_first_of(" ?#@", host) != std::string::npos)
    fail(ErrorKind::argument, "{}: expected a host, a port and a path only", url);
  return address;
}

httplib::Headers headers_of(const std::string& key) {
  if (key.empty()) return {};
  return {{"Authorization", "Bearer " + key}};
}

class HttpClient final : public ApiClient {
 public:
  explicit HttpClient(const ApiClientOptions& options)
      : address_(parse_url(options.url)), timeout_(options.timeout_ms), client_(address_.server) {
    if (!client_.is_valid())
      fail(ErrorKind::argument, "{}: expected http://HOST[:PORT] or https://HOST[:PORT]",
           options.url);
    client_.set_keep_alive(true);
    client_.set_tcp_nodelay(true);
    client_.set_connection_timeout(kConnectSeconds);
    client_.set_read_timeout(timeout_);
    client_.set_write_timeout(timeout_);
  }

  std::vector<std::string> models(const std::string& key) override;
  ApiReply generate(const Json& body, const std::string& key,
                    const std::function<bool(std::string_view)>& on_text) override;

  void stop() override {
    stopped_ = true;
    client_.stop();
  }

 private:
  ApiReply ask(const Json& body, const std::string& key,
               const std::function<bool(std::string_view)>& on_text);
  // Why there was no answer, or not all of one: for programs and for people.
  std::pair<std::string, std::string> trouble(httplib::Error error) const;
  std::string url(const std::string& route) const { return address_.server + path(route); }
  std::string path(const std::string& route) const { return address_.path + route; }

  Address address_;
  std::chrono::milliseconds timeout_;
  Clock::time_point last_;  // when something was sent, or came
  httplib::Client client_;
  std::atomic<bool> stopped_ = false;
};

std::pair<std::string, std::string> HttpClient::trouble(httplib::Error error) const {
  if (stopped_) return {"cancelled", "it was stopped"};
  if (error == httplib::Error::Connection || error == httplib::Error::ConnectionTimeout)
    return {"unreachable", "cannot connect"};
  if (error != httplib::Error::Read) return {"unreachable", httplib::to_string(error)};
  if (Clock::now() - last_ >= timeout_) return {"timeout", "the server was silent for too long"};
  return {"cut_off", "the server hung up before the end of its answer"};
}

std::vector<std::string> HttpClient::models(const std::string& key) {
  const std::string route = "/v1/models";
  last_ = Clock::now();
  const httplib::Result result = client_.Get(path(route), headers_of(key));
  if (!result) fail(ErrorKind::io, "{}: {}", url(route), trouble(result.error()).second);
  if (result->status != 200)
    fail(ErrorKind::io, "{}: {}", url(route),
         StreamedReply::refused(result->status, result->body).message);
  const Json json = Json::parse(result->body, url(route));
  std::vector<std::string> names;
  for (const Json& model : json.get("data").as_array())
    names.push_back(model.get("id").as_string());
  return names;
}

ApiReply HttpClient::generate(const Json& body, const std::string& key,
                              const std::function<bool(std::string_view)>& on_text) {
  const bool connected = client_.is_socket_open() != 0;
  ApiReply reply = ask(body, key, on_text);
  // A server may close a connection just when it is used again. Nothing came back, and whoever
  // generates a text twice loses no more than time.
  const bool nothing_came = reply.status == 0 && reply.error != "timeout" && !stopped_;
  return connected && nothing_came ? ask(body, key, on_text) : reply;
}

ApiReply HttpClient::ask(const Json& body, const std::string& key,
                         const std::function<bool(std::string_view)>& on_text) {
  Json asked = body;
  asked.set("stream", true);
  asked.set("stream_options", Json::Object{{"include_usage", true}});
  StreamedReply reply(on_text);
  EventReader events([&](const std::string& data) { return reply.take(data); });
  int status = 0;
  std::string refusal;

  httplib::Request request;
  request.method = "POST";
  request.path = path(body.find("messages") ? "/v1/chat/completions" : "/v1/completions");
  request.headers = headers_of(key);
  request.headers.emplace("Content-Type", "application/json");
  request.body = asked.dump();
  request.response_handler = [&](const httplib::Response& response) {
    status = response.status;
    return true;
  };
  request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
    last_ = Clock::now();
    if (status == 200) return !stopped_ && reply.guard([&] { return events.take({data, size}); });
    refusal.append(data, std::min(size, kMaxRefusalBytes - refusal.size()));
    return true;
  };
  last_ = Clock::now();
  const httplib::Result result = client_.send(request);
  if (status != 0 && status != 200) return StreamedReply::refused(status, refusal);
  ApiReply whole = std::move(reply).whole();
  if (result || (!whole.error.empty() && whole.error != "cut_off")) return whole;
  std::tie(whole.error, whole.message) = trouble(result.error());
  whole.status = status;
  return whole;
}

}  // namespace
}  // namespace kvs

kvs::ApiClient* kvs_open_api_client(const kvs::ApiClientOptions* options) {
  return new kvs::HttpClient(*options);
}
