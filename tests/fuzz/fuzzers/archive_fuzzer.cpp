// Reads an archive from front to back and at random. Both give the same records; the library
// throws nothing but its own Error; what is read whole can be copied and read again.
#include <optional>
#include <random>
#include <sstream>

#include "archive_frames.h"
#include "kvs/archive_copier.h"
#include "kvs/archive_report.h"
#include "property.h"
#include "support/archive_sample.h"
#include "support/memory_file.h"

namespace kvs::test {
namespace {

void require_kind(const Error& error) {
  require(error.kind() == ErrorKind::format || error.kind() == ErrorKind::mismatch,
          "a damaged archive is an Error(format) or Error(mismatch)");
}

// The records, described; and whether all of the archive was read.
struct Reading {
  std::vector<std::string> records;
  bool whole = false;
};

Reading read_in_order(std::string_view archive) {
  std::istringstream stream{std::string(archive)};
  ArchiveReader reader(stream, "x");
  ArchiveReport report;
  Reading reading;
  try {
    while (const auto item = reader.next()) {
      reading.records.push_back(describe(item->record));
      report.add(*item);
    }
    reading.whole = true;
  } catch (const Error& error) {
    require_kind(error);
  }
  return reading;
}

// The same records in the same order, but for the ends, where the archive opens.
std::optional<std::vector<std::string>> read_at_random(const MemoryFile& archive) {
  try {
    const ArchiveFile file(archive.path());
    std::vector<std::string> records;
    for (size_t member = 0; member < file.members().size(); ++member) {
      records.push_back(describe(file.members()[member].header));
      for (const Hash128& id : file.kv_ids(member))
        records.push_back(describe(file.read_kv(member, id)));
    }
    for (size_t prompt = 0; prompt < file.prompt_count(); ++prompt)
      records.push_back(describe(file.read_prompt(prompt)));
    return records;
  } catch (const Error& error) {
    require_kind(error);
    return std::nullopt;
  }
}

// The records of `reading` in the order of read_at_random.
std::vector<std::string> in_random_order(const std::vector<std::string>& records) {
  std::vector<std::string> order;
  for (const std::string& record : records)
    if (record.starts_with("header ") || record.starts_with("kv ")) order.push_back(record);
  for (const std::string& record : records)
    if (record.starts_with("prompt ")) order.push_back(record);
  return order;
}

void copy_and_read(std::string_view archive, const MemoryFile& file) {
  ArchiveReader reader(file.descriptor(), "x");
  const MemoryFile copy("");
  std::optional<ArchiveWriter> writer;
  ArchiveCopier copier;
  while (const auto item = reader.next()) {
    copier.take(*item);
    if (const auto* header = std::get_if<ArchiveHeader>(&item->record)) {
      if (writer)
        writer->next_member(*header);
      else
        writer.emplace(copy.descriptor(), "copy", *header);
    }
    if (std::holds_alternative<PromptRecord>(item->record)) copier.copy(*item, *writer);
  }
  if (!writer) return;
  writer->finish();
  const std::vector<std::string> before = read_in_order(archive).records;
  const ReadResult after = read_all(copy.path());
  require(!after.error, "a copy of a whole archive can be read");
  const auto prompts = [](const std::vector<std::string>& records) {
    return std::count_if(records.begin(), records.end(),
                         [](const std::string& record) { return record.starts_with("prompt "); });
  };
  require(prompts(before) == prompts(after.records), "a copy has all prompts");
}

}  // namespace
}  // namespace kvs::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kvs::test;
  const std::string_view archive = as_text(data, size);
  const MemoryFile file(archive);
  const Reading in_order = read_in_order(archive);
  const auto at_random = read_at_random(file);
  if (!in_order.whole) return 0;
  require(at_random.has_value(), "an archive that reads in order opens at random");
  require(*at_random == in_random_order(in_order.records), "both ways give the same records");
  copy_and_read(archive, file);
  return 0;
}

// Most mutations are lost on a checksum; three of four change what is inside a frame instead.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  using namespace kvs::test;
  std::minstd_rand random(seed);
  auto frames = split_archive(as_text(data, size));
  if (random() % 4 == 0 || frames.empty()) return LLVMFuzzerMutate(data, size, max_size);
  const size_t chosen = random() % frames.size();
  switch (random() % 8) {
    case 0:
      frames.erase(frames.begin() + static_cast<std::ptrdiff_t>(chosen));
      break;
    case 1:
      frames.push_back(frames[chosen]);
      break;
    default:
      frames[chosen].bytes = mutate(std::move(frames[chosen].bytes), max_size);
  }
  const std::string archive = join_archive(frames);
  if (archive.empty() || archive.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  archive.copy(reinterpret_cast<char*>(data), archive.size());
  return archive.size();
}
