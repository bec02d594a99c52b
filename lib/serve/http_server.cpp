#include "kvs/http_server.h"

#include "serve/http_module.h"

namespace kvs {

std::unique_ptr<HttpServer> open_http_server(const HttpOptions& options) {
  const auto open =
      reinterpret_cast<decltype(&kvs_open_http_server)>(http_function("kvs_open_http_server"));
  return std::unique_ptr<HttpServer>(open(&options));
}

std::unique_ptr<HttpServer> start_http_server(Model& model, Engine& engine,
                                              const Embedder* embedder,
                                              const HttpOptions& options) {
  std::unique_ptr<HttpServer> server = open_http_server(options);
  server->serve(model, engine, embedder, options.reuse);
  return server;
}

}  // namespace kvs
