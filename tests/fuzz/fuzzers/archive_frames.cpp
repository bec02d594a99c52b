#include "archive_frames.h"

#include <zstd.h>

#include <cstring>

#include "archive/offset_table.h"
#include "kvs/hash.h"
#include "support/raw_archive.h"

namespace kvs::test {
namespace {

constexpr size_t kMaxContent = size_t{1} << 20;
constexpr size_t kEntry = 40;  // of the table; it starts with its offset

std::string_view next_frame(std::string_view rest) {
  const size_t bytes = ZSTD_findFrameCompressedSize(rest.data(), rest.size());
  return ZSTD_isError(bytes) != 0 ? rest : rest.substr(0, bytes);
}

ArchiveFrame unpack(std::string_view frame) {
  const uint64_t content = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (!frame.starts_with("\x28\xb5\x2f\xfd") || content > kMaxContent)
    return {false, std::string(frame)};
  std::string bytes(content, '\0');
  const size_t got = ZSTD_decompress(bytes.data(), bytes.size(), frame.data(), frame.size());
  return got == content ? ArchiveFrame{true, bytes} : ArchiveFrame{false, std::string(frame)};
}

void put(std::string& bytes, size_t at, const void* value, size_t size) {
  if (at <= bytes.size() && size <= bytes.size() - at) std::memcpy(bytes.data() + at, value, size);
}

// The hash of the member before it, in an end record.
void seal_end(std::string& content, std::string_view member) {
  constexpr std::string_view kField("\xa4hash\xc4\x10", 7);
  const size_t at = content.find(kField);
  if (at == std::string::npos || content.find("\xa3"
                                              "end") == std::string::npos)
    return;
  const auto hash = to_bytes(hash_bytes(member.data(), member.size()));
  put(content, at + kField.size(), hash.data(), hash.size());
}

// The offsets, sizes and hash of a table of offsets.
void seal_table(std::string& table, const std::vector<uint64_t>& offsets, uint64_t member_bytes) {
  if (table.size() < kSkippableHeader + kTableFooter) return;
  const auto size = static_cast<uint32_t>(table.size() - kSkippableHeader);
  const auto entries = static_cast<uint32_t>((size - kTableFooter) / kEntry);
  const uint64_t total = member_bytes + table.size();
  put(table, 4, &size, sizeof size);
  if (entries == offsets.size())
    for (size_t i = 0; i < entries; ++i)
      put(table, kSkippableHeader + i * kEntry, &offsets[i], sizeof offsets[i]);
  const size_t footer = table.size() - kTableFooter;
  put(table, footer, &total, sizeof total);
  put(table, footer + 8, &entries, sizeof entries);
  const auto hash = to_bytes(hash_bytes(table.data(), footer + 12));
  put(table, footer + 12, hash.data(), hash.size());
}

}  // namespace

std::vector<ArchiveFrame> split_archive(std::string_view archive) {
  std::vector<ArchiveFrame> frames;
  while (!archive.empty()) {
    const std::string_view frame = next_frame(archive);
    frames.push_back(unpack(frame));
    archive.remove_prefix(frame.size());
  }
  return frames;
}

std::string join_archive(const std::vector<ArchiveFrame>& frames) {
  std::string archive;
  size_t member = 0;  // where it starts
  std::vector<uint64_t> offsets;
  for (auto [packed, bytes] : frames) {
    const bool table = bytes.starts_with("\x5b\x2a\x4d\x18");
    if (packed) {
      if (bytes.find("\xa6header") < 16) {
        member = archive.size();
        offsets.clear();
      }
      seal_end(bytes, std::string_view(archive).substr(member));
      offsets.push_back(archive.size() - member);
      archive += frame(bytes);
    } else {
      if (table) seal_table(bytes, offsets, archive.size() - member);
      archive += bytes;
    }
  }
  return archive;
}

}  // namespace kvs::test
