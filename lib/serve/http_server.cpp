#include "kvs/http_server.h"

#include "serve/http_module.h"

namespace kvs {

std::unique_ptr<HttpServer> start_http_server(Model& model, Engine& engine,
                                              const Embedder* embedder,
                                              const HttpOptions& options) {
  const auto start =
      reinterpret_cast<decltype(&kvs_start_http_server)>(http_function("kvs_start_http_server"));
  return std::unique_ptr<HttpServer>(start(&model, &engine, embedder, &options));
}

}  // namespace kvs
