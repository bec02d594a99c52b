#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "archive/byte_source.h"
#include "archive/member_rules.h"
#include "archive/offset_table.h"
#include "archive/zstd_frame.h"
#include "kvs/archive_reader.h"
#include "kvs/error.h"

namespace kvs {

/// Reads members from front to back and verifies all that can be verified so; see ArchiveReader.
class RecordStream {
 public:
  struct Options {
    bool decode_kv = true;
    bool require_tables = true;  ///< false: a table that is damaged or cut off is passed over
    HostAllocator memory{};
  };
  RecordStream(ByteSource source, const Options& options);

  std::optional<ArchiveItem> next();

 private:
  void refuse_other_files();
  std::optional<ArchiveItem> read_item();
  void verify(const ArchiveRecord& record, std::span<const std::byte> frame);
  /// Returns what a table says of the record.
  TableEntry accept(const ArchiveRecord& record);
  void verify_end(const ArchiveEnd& end);
  void read_table();
  void pass_table();

  ByteSource source_;
  Content content_;  // of the last frame
  Options options_;
  std::optional<MemberRules> rules_;  // of the member being read
  Hasher hasher_;                     // of its bytes so far
  int64_t member_start_ = 0;
  std::vector<TableEntry> entries_;  // of its frames so far
  bool any_member_ = false;
  bool table_follows_ = false;
  bool ended_ = false;
};

/// Throws `error` again as one about the archive `name`: damage with the offset of the frame.
[[noreturn]] void rethrow_located(const Error& error, const std::string& name, int64_t offset);

}  // namespace kvs
