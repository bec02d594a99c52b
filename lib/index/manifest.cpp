#include "index/manifest.h"

#include "base/mapped_file.h"
#include "kvs/error.h"
#include "kvs/json.h"

namespace kvs {
namespace {

constexpr int kVersion = 2;
constexpr size_t kMaxBytes = 1 << 16;

Json file_to_json(const ManifestFile& file) {
  return Json::Object{{"name", file.name}, {"bytes", file.bytes}, {"hash", to_hex(file.hash)}};
}

ManifestFile file_from_json(const Json& json) {
  ManifestFile file{json.get("name").as_string(), json.get("bytes").as_int(), {}};
  const auto hash = parse_hash(json.get("hash").as_string());
  if (!hash) fail(ErrorKind::format, "field 'hash' is no hash");
  // A name that leaves the folder would let an index read, and its writer remove, any file.
  if (file.name.empty() || file.name.find('/') != std::string::npos)
    fail(ErrorKind::format, "field 'name' is no file name");
  file.hash = *hash;
  return file;
}

std::string line_hash(std::string_view line) {
  return to_hex(hash_bytes(line.data(), line.size()));
}

}  // namespace

std::string write_manifest(const Manifest& manifest) {
  Json json;
  json.set("kvs_index", kVersion);
  json.set("generation", manifest.generation);
  json.set("donors", file_to_json(manifest.donors));
  json.set("fingerprints", file_to_json(manifest.fingerprints));
  json.set("vectors", file_to_json(manifest.vectors));
  const std::string line = json.dump() + "\n";
  return line + line_hash(line) + "\n";
}

Manifest read_manifest(std::string_view text, std::string_view source) {
  const size_t line_end = text.find('\n');
  if (text.size() > kMaxBytes || line_end == std::string_view::npos)
    fail(ErrorKind::format, "{}: damaged: not the manifest of a donor index", source);
  const std::string_view line = text.substr(0, line_end + 1);
  if (text.substr(line_end + 1) != line_hash(line) + "\n")
    fail(ErrorKind::format, "{}: damaged: the checksum does not fit", source);
  const Json json = Json::parse(line, source);
  try {
    if (const int64_t version = json.get("kvs_index").as_int(); version != kVersion)
      fail(ErrorKind::mismatch, "an index of version {}, expected {}", version, kVersion);
    return {json.get("generation").as_int(), file_from_json(json.get("donors")),
            file_from_json(json.get("fingerprints")), file_from_json(json.get("vectors"))};
  } catch (const Error& error) {
    fail(error.kind(), "{}: {}", source, error.what());
  }
}

Manifest load_manifest(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kManifestName;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    fail(ErrorKind::io, "{}: no donor index: it holds no {}", folder.string(), kManifestName);
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return read_manifest({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file.path());
}

}  // namespace kvs
