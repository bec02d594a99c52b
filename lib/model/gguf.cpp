#include "kvs/gguf.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/mapped_file.h"
#include "base/printable.h"
#include "kvs/error.h"
#include "model/gguf_metadata.h"
#include "model/gguf_tensors.h"

namespace kvs {
namespace {

constexpr uint32_t kDefaultAlignment = 32;
constexpr int64_t kMaxAlignment = 1 << 20;
// A key of no bytes, its value type and a one-byte value; a name of no bytes, rank, type and
// offset.
constexpr size_t kLeastPairBytes = 8 + 4 + 1;
constexpr size_t kLeastTensorBytes = 8 + 4 + 4 + 8;

void read_version(GgufReader& reader, const std::string& path) {
  if (reader.remaining() == 0)
    fail(ErrorKind::format, "{}: empty file, expected a GGUF model", path);
  const std::string_view start(reinterpret_cast<const char*>(reader.here()),
                               std::min<size_t>(4, reader.remaining()));
  if (start != "GGUF")
    fail(ErrorKind::format, "{}: not a GGUF model: expected 'GGUF' at the start, found '{}'", path,
         printable(start));
  reader.skip(4, "the header");
  const auto version = reader.read<uint32_t>("the header");
  if (version == 0x02000000 || version == 0x03000000)
    fail(ErrorKind::format, "{}: big-endian GGUF, expected little-endian", path);
  if (version != 2 && version != 3)
    fail(ErrorKind::format, "{}: GGUF version {}, expected 2 or 3", path, version);
}

int64_t read_alignment(const GgufMetadata& metadata, const std::string& path) {
  const int64_t alignment = metadata.find_int("general.alignment").value_or(kDefaultAlignment);
  const bool power_of_two = alignment > 0 && (alignment & (alignment - 1)) == 0;
  if (!power_of_two || alignment > kMaxAlignment)
    fail(ErrorKind::format,
         "{}: metadata 'general.alignment' is {}, expected a power of two up to {}", path,
         alignment, kMaxAlignment);
  return alignment;
}

template <typename T>
T need(std::optional<T> value, const std::string& path, std::string_view key) {
  if (!value) fail(ErrorKind::format, "{}: metadata '{}' is missing", path, key);
  return *value;
}

struct Counts {
  uint64_t tensors;
  uint64_t pairs;
};

Counts read_counts(GgufReader& reader, const std::string& path) {
  read_version(reader, path);
  const uint64_t tensors = reader.read_count(kLeastTensorBytes, "the number of tensors");
  const uint64_t pairs = reader.read_count(kLeastPairBytes, "the number of metadata pairs");
  return {tensors, pairs};
}

}  // namespace

struct GgufFile::Contents {
  explicit Contents(const std::filesystem::path& path)
      : file(path),
        reader(file.bytes(), file.path()),
        counts(read_counts(reader, file.path())),
        metadata(reader, counts.pairs, file.path()) {
    read_tensors();
  }

  void read_tensors();

  MappedFile file;
  GgufReader reader;
  Counts counts;
  GgufMetadata metadata;
  size_t header_bytes = 0;
  std::vector<StoredTensor> tensors;
  std::unordered_map<std::string_view, size_t> by_name;
};

void GgufFile::Contents::read_tensors() {
  GgufTensorTable table(reader, counts.tensors, file.path());
  header_bytes = reader.offset();
  const int64_t alignment = read_alignment(metadata, file.path());
  const size_t start = (header_bytes + alignment - 1) / alignment * alignment;
  tensors = table.place(file.bytes().subspan(std::min(start, file.bytes().size())), alignment);
  for (const StoredTensor& tensor : tensors)
    if (!by_name.emplace(tensor.name, by_name.size()).second)
      fail(ErrorKind::format, "{}: tensor '{}' occurs twice", file.path(), printable(tensor.name));
}

GgufFile::GgufFile(const std::filesystem::path& path)
    : contents_(std::make_unique<Contents>(path)) {}
GgufFile::~GgufFile() = default;
GgufFile::GgufFile(GgufFile&&) noexcept = default;
GgufFile& GgufFile::operator=(GgufFile&&) noexcept = default;

const std::string& GgufFile::path() const {
  return contents_->file.path();
}

bool GgufFile::has(std::string_view key) const {
  return contents_->metadata.has(key);
}

std::optional<std::string_view> GgufFile::find_string(std::string_view key) const {
  return contents_->metadata.find_string(key);
}

std::optional<int64_t> GgufFile::find_int(std::string_view key) const {
  return contents_->metadata.find_int(key);
}

std::optional<double> GgufFile::find_float(std::string_view key) const {
  return contents_->metadata.find_float(key);
}

std::optional<bool> GgufFile::find_bool(std::string_view key) const {
  return contents_->metadata.find_bool(key);
}

std::string_view GgufFile::get_string(std::string_view key) const {
  return need(find_string(key), path(), key);
}

int64_t GgufFile::get_int(std::string_view key) const {
  return need(find_int(key), path(), key);
}

double GgufFile::get_float(std::string_view key) const {
  return need(find_float(key), path(), key);
}

bool GgufFile::get_bool(std::string_view key) const {
  return need(find_bool(key), path(), key);
}

std::vector<std::string_view> GgufFile::string_array(std::string_view key) const {
  return contents_->metadata.string_array(key);
}

std::vector<int64_t> GgufFile::int_array(std::string_view key) const {
  return contents_->metadata.int_array(key);
}

std::vector<float> GgufFile::float_array(std::string_view key) const {
  return contents_->metadata.float_array(key);
}

std::vector<bool> GgufFile::bool_array(std::string_view key) const {
  return contents_->metadata.bool_array(key);
}

const std::vector<StoredTensor>& GgufFile::tensors() const {
  return contents_->tensors;
}

const StoredTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto found = contents_->by_name.find(name);
  return found == contents_->by_name.end() ? nullptr : &contents_->tensors[found->second];
}

std::string_view GgufFile::header_bytes() const {
  return {reinterpret_cast<const char*>(contents_->file.bytes().data()), contents_->header_bytes};
}

}  // namespace kvs
