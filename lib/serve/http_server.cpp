#include "kvs/http_server.h"

#include <dlfcn.h>

#include <string>

#include "kvs/error.h"
#include "serve/http_module.h"

namespace kvs {
namespace {

struct HttpModule {
  decltype(&kvs_start_http_server) start = nullptr;
  std::string missing;  // why there is none
};

// libkvs_http.so, which lies beside libkvs.so.
HttpModule load_http_module() {
  HttpModule module;
  void* library = dlopen("libkvs_http.so", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    module.missing = dlerror();
    return module;
  }
  module.start = reinterpret_cast<decltype(module.start)>(dlsym(library, "kvs_start_http_server"));
  if (!module.start) module.missing = "libkvs_http.so: of another version";
  return module;
}

}  // namespace

std::unique_ptr<HttpServer> start_http_server(Model& model, Engine& engine,
                                              const Embedder* embedder,
                                              const HttpOptions& options) {
  static const HttpModule module = load_http_module();
  if (!module.start) fail(ErrorKind::io, "{}", module.missing);
  return std::unique_ptr<HttpServer>(module.start(&model, &engine, embedder, &options));
}

}  // namespace kvs
