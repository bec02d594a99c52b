#include "kvs/api_client.h"

#include "serve/http_module.h"

namespace kvs {

std::unique_ptr<ApiClient> open_api_client(const ApiClientOptions& options) {
  const auto open =
      reinterpret_cast<decltype(&kvs_open_api_client)>(http_function("kvs_open_api_client"));
  return std::unique_ptr<ApiClient>(open(&options));
}

}  // namespace kvs
