#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/blob_store.h"
#include "kvs/archive.h"

// Blobs are archives of one member (kvs-archive(5)): with one piece of rows, or with one prompt
// whose rows are in the pieces that its tokens lead to.
namespace kvs {

/// The pieces that hold the rows of `tokens`, in order: one for every 256 tokens, each named by its
/// text from the start on, the tenant and the model.
std::vector<Hash128> piece_ids(std::string_view fingerprint, std::string_view tenant,
                               std::span<const int32_t> tokens);

/// Where a tenant's blobs are.
Hash128 group_of(std::string_view tenant);
BlobName rows_name(std::string_view tenant, const Hash128& id);
BlobName prompt_name(std::string_view tenant, const Hash128& id);

Bytes encode_blob(const ArchiveHeader& header, const KvRecord& rows);
Bytes encode_blob(const ArchiveHeader& header, const PromptRecord& prompt);

/// Throw Error(format) where the bytes are damaged or hold something else, Error(mismatch) where
/// they are of another model. `source` names them; `memory` is for the rows.
KvRecord decode_rows(std::span<const std::byte> bytes, const ArchiveHeader& expected,
                     std::string_view source, const HostAllocator& memory = {});
PromptRecord decode_prompt(std::span<const std::byte> bytes, const ArchiveHeader& expected,
                           std::string_view source);

}  // namespace kvs
