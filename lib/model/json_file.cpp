#include "model/json_file.h"

#include "base/mapped_file.h"
#include "kvs/error.h"

namespace kvs {
namespace {

// Far above every published file; bounds what parsing allocates.
constexpr size_t kMaxJsonBytes = 100'000'000;

}  // namespace

Json read_json_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  const size_t bytes = file.bytes().size();
  if (bytes > kMaxJsonBytes)
    fail(ErrorKind::format, "{}: {} bytes, expected at most {}", file.path(), bytes, kMaxJsonBytes);
  return Json::parse({reinterpret_cast<const char*>(file.bytes().data()), bytes}, file.path());
}

bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace kvs
