#include "engine/blob_codec.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "kvs/archive_reader.h"
#include "kvs/error.h"

namespace kvs {
namespace {

// A file without a name, since archives are written to files.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("blob", MFD_CLOEXEC)) {
    if (descriptor_ < 0) fail_io();
  }
  ~MemoryFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const { return descriptor_; }

  Bytes content(int64_t size) const {
    Bytes bytes(size);
    for (int64_t done = 0; done < size;) {
      const ssize_t got = pread(descriptor_, bytes.data() + done, size - done, done);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) fail_io();
      done += got;
    }
    return bytes;
  }

 private:
  [[noreturn]] static void fail_io() {
    fail(ErrorKind::io, "no memory for a blob: {}", std::generic_category().message(errno));
  }

  int descriptor_;
};

template <typename Record>
Bytes encode(const ArchiveHeader& header, const Record& record) {
  const MemoryFile file;
  ArchiveWriter writer(file.descriptor(), "blob", header, {.table = false});
  writer.add(record);
  writer.finish();
  return file.content(writer.bytes());
}

template <typename Record>
Record decode(std::span<const std::byte> bytes, const ArchiveHeader& expected,
              std::string_view source, const HostAllocator& memory = {}) {
  ArchiveReader reader(bytes, std::string(source), {.memory = memory});
  const auto next = [&]<typename Wanted>(Wanted& wanted) {
    std::optional<ArchiveItem> item = reader.next();
    auto* found = item ? std::get_if<Wanted>(&item->record) : nullptr;
    if (!found) fail(ErrorKind::format, "{}: not the records of a blob", source);
    wanted = std::move(*found);
  };
  ArchiveHeader header;
  Record record;
  ArchiveEnd end;
  next(header);
  require_same_model(header, expected, source);
  next(record);
  next(end);
  if (reader.next()) fail(ErrorKind::format, "{}: more than a blob", source);
  return record;
}

}  // namespace

std::vector<Hash128> piece_ids(std::string_view fingerprint, std::string_view tenant,
                               std::span<const int32_t> tokens) {
  std::vector<Hash128> ids;
  KvContext context{.fingerprint = fingerprint, .tenant_salt = tenant};
  for (size_t first = 0; first < tokens.size(); first += kMaxKvTokens) {
    const auto rest = tokens.subspan(first);
    ids.push_back(kv_record_id(context, rest.first(std::min<size_t>(kMaxKvTokens, rest.size()))));
    context.parent = ids.back();
  }
  return ids;
}

Hash128 group_of(std::string_view tenant) {
  return Hasher().add("tenant ").add(tenant).digest();
}

BlobName rows_name(std::string_view tenant, const Hash128& id) {
  return {.kind = BlobName::Kind::rows, .group = group_of(tenant), .id = id};
}

BlobName prompt_name(std::string_view tenant, const Hash128& id) {
  return {.kind = BlobName::Kind::prompt, .group = group_of(tenant), .id = id};
}

Bytes encode_blob(const ArchiveHeader& header, const KvRecord& rows) {
  return encode(header, rows);
}

Bytes encode_blob(const ArchiveHeader& header, const PromptRecord& prompt) {
  return encode(header, prompt);
}

KvRecord decode_rows(std::span<const std::byte> bytes, const ArchiveHeader& expected,
                     std::string_view source, const HostAllocator& memory) {
  return decode<KvRecord>(bytes, expected, source, memory);
}

PromptRecord decode_prompt(std::span<const std::byte> bytes, const ArchiveHeader& expected,
                           std::string_view source) {
  return decode<PromptRecord>(bytes, expected, source);
}

}  // namespace kvs
