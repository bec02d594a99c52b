#include "tools/align_apply.h"

#include <unistd.h>

#include <chrono>
#include <utility>

#include "kvs/edited_archive.h"
#include "kvs/error.h"
#include "tools/message.h"
#include "tools/terminal.h"

namespace kvs {
namespace {

// Of the first member with KV among the archives of an index.
ArchiveHeader first_with_kv(const std::string& folder, const DonorIndexInfo& info) {
  for (const IndexedArchive& indexed : info.archives) {
    if (!indexed.present) continue;
    const ArchiveFile archive(std::filesystem::path(folder) / indexed.path);
    for (const ArchiveMember& member : archive.members())
      if (member.header.layout.layers > 0 && member.kv > 0) return member.header;
  }
  fail(ErrorKind::argument, "{}: no archive holds KV to apply, make them with kvs-embed --kv",
       folder);
}

int64_t now() {
  using std::chrono::system_clock;
  return system_clock::to_time_t(system_clock::now());
}

ArchiveWriter open_writer(const std::string& output, const ArchiveHeader& header) {
  if (output != "-") return ArchiveWriter(output, header);
  if (is_terminal(STDOUT_FILENO))
    fail(ErrorKind::argument, "standard output is a terminal, give -o FILE or a pipe");
  return ArchiveWriter(STDOUT_FILENO, "standard output", header);
}

bool fits(const ArchiveHeader& header, const ArchiveHeader& expected) {
  return header.fingerprint == expected.fingerprint && header.layout == expected.layout &&
         header.rope == expected.rope;
}

}  // namespace

EditedArchive::EditedArchive(const std::string& output, const std::string& folder,
                             const DonorIndexInfo& info)
    : header_(first_with_kv(folder, info)) {
  header_.creator = "kvs-align";
  header_.time = now();
  writer_.emplace(open_writer(output, header_));
}

const ArchiveFile& EditedArchive::archive(const std::filesystem::path& path) {
  if (const auto open = archives_.find(path); open != archives_.end()) return open->second;
  return archives_.emplace(path, ArchiveFile(path)).first->second;
}

int64_t EditedArchive::usable_rows(const AlignDonor& donor) {
  const Donor& place = donor.found.donor;
  const ArchiveFile& file = archive(place.archive);
  const ArchiveHeader& header = file.members()[file.prompt_member(place.prompt)].header;
  if (fits(header, header_)) return own_rows(header.fingerprint, donor.record);
  if (header.layout.layers > 0 && !std::exchange(warned_, true))
    warn("{}: KV of another type or model, not applied", place.archive.string());
  return 0;
}

void EditedArchive::keep_usable(std::vector<AlignDonor>& donors) {
  for (AlignDonor& donor : donors) donor.record.tokens.resize(usable_rows(donor));
  std::erase_if(donors, [](const AlignDonor& donor) { return donor.record.tokens.empty(); });
}

void EditedArchive::add(const Request& request, const std::vector<int32_t>& tokens,
                        const AlignedPrompt& prompt) {
  PromptRecord record{
      .id = request.id, .tenant = request.tenant, .tokens = tokens, .time = header_.time};
  if (const auto* text = std::get_if<std::string>(&request.prompt)) record.text = *text;
  std::vector<ArchivedDonor> donors;
  for (const AlignDonor& donor : prompt.donors) {
    const Donor& place = donor.found.donor;
    const ArchiveFile& file = archive(place.archive);
    donors.push_back({&file, file.prompt_member(place.prompt), &donor.record});
  }
  archive_edited(*writer_, std::move(record), prompt.script, donors);
  ++prompts_;
}

void EditedArchive::finish() {
  writer_->finish();
  explain("{} prompts, {} bytes", prompts_, writer_->bytes());
}

}  // namespace kvs
