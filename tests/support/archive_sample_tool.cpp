// Writes the sample archive, or prints what an archive holds: the other side of archive_msgpack.py.
#include <fmt/format.h>

#include <cstdio>
#include <string_view>

#include "support/archive_sample.h"

namespace {

void print_kv(const kvs::KvRecord& record) {
  fmt::print("kv {}", kvs::to_hex(record.id));
  for (const kvs::KvLayer& layer : record.layers)
    for (const auto part : {layer.k, layer.v}) {
      fmt::print(" ");
      for (const std::byte byte : part) fmt::print("{:02x}", std::to_integer<int>(byte));
    }
  fmt::print("\n");
}

int print(const char* path) {
  kvs::ArchiveReader reader{std::filesystem::path(path)};
  while (const auto item = reader.next()) {
    if (const auto* header = std::get_if<kvs::ArchiveHeader>(&item->record))
      fmt::print("header {}\n", header->fingerprint);
    if (const auto* kv = std::get_if<kvs::KvRecord>(&item->record)) print_kv(*kv);
    if (const auto* prompt = std::get_if<kvs::PromptRecord>(&item->record))
      fmt::print("prompt {} {} {}\n", prompt->id, prompt->text.value_or(""),
                 fmt::join(prompt->tokens, ","));
    if (const auto* end = std::get_if<kvs::ArchiveEnd>(&item->record))
      fmt::print("end {} {}\n", end->kv, end->prompts);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view action = argc == 3 ? argv[1] : "";
  try {
    if (action == "print") return print(argv[2]);
    const auto codec = kvs::find_codec(action);
    if (!codec) return 2;
    kvs::test::write_sample(argv[2], *codec);
    return 0;
  } catch (const kvs::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
