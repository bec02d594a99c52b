#include "serve/http_module.h"

#include <dlfcn.h>

#include <string>

#include "kvs/error.h"

namespace kvs {
namespace {

struct HttpModule {
  void* library = nullptr;
  std::string missing;  // why there is none
};

// libkvs_http.so, which lies beside libkvs.so.
HttpModule load_http_module() {
  HttpModule module{.library = dlopen("libkvs_http.so", RTLD_NOW | RTLD_LOCAL)};
  if (!module.library) module.missing = dlerror();
  return module;
}

}  // namespace

void* http_function(const char* name) {
  static const HttpModule module = load_http_module();
  if (!module.library) fail(ErrorKind::io, "{}", module.missing);
  void* function = dlsym(module.library, name);
  if (!function) fail(ErrorKind::io, "libkvs_http.so: of another version");
  return function;
}

}  // namespace kvs
