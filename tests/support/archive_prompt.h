#pragma once

#include <string>
#include <utility>

#include "kvs/kv_archive.h"

namespace kvs::test {

/// Adds one prompt and waits until it is written.
inline void archive_prompt(ArchiveWriter& writer, std::string fingerprint, const KvPool& pool,
                           const KvView& view, PromptRecord prompt, KvCodec codec) {
  KvArchiver archiver(writer, std::move(fingerprint), codec);
  archiver.add(pool, view, std::move(prompt));
  for (const Error& error : archiver.finish()) throw Error(error);
}

}  // namespace kvs::test
