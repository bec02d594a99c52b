#include <utility>

#include "archive/input_file.h"
#include "archive/record_stream.h"
#include "kvs/archive_reader.h"

namespace kvs {

struct ArchiveReader::State {
  State(ByteSource source, const ArchiveReadOptions& options)
      : stream(std::move(source), {.decode_kv = options.decode_kv, .memory = options.memory}) {}
  State(std::unique_ptr<InputFile> input, const ArchiveReadOptions& options)
      : file(std::move(input)),
        stream(ByteSource(file->descriptor(), file->name()),
               {.decode_kv = options.decode_kv, .memory = options.memory}) {}

  std::unique_ptr<InputFile> file;
  RecordStream stream;
};

ArchiveReader::ArchiveReader(const std::filesystem::path& path, const ArchiveReadOptions& options)
    : state_(std::make_unique<State>(std::make_unique<InputFile>(path), options)) {}

ArchiveReader::ArchiveReader(int descriptor, std::string name, const ArchiveReadOptions& options)
    : state_(std::make_unique<State>(std::make_unique<InputFile>(descriptor, std::move(name)),
                                     options)) {}

ArchiveReader::ArchiveReader(std::istream& stream, std::string name,
                             const ArchiveReadOptions& options)
    : state_(std::make_unique<State>(ByteSource(stream, std::move(name)), options)) {}

ArchiveReader::ArchiveReader(std::span<const std::byte> bytes, std::string name,
                             const ArchiveReadOptions& options)
    : state_(std::make_unique<State>(ByteSource(bytes, std::move(name)), options)) {}

ArchiveReader::~ArchiveReader() = default;
ArchiveReader::ArchiveReader(ArchiveReader&&) noexcept = default;

std::optional<ArchiveItem> ArchiveReader::next() {
  return state_->stream.next();
}

}  // namespace kvs
