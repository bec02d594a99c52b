#include "engine/tier_writer.h"

#include <new>
#include <utility>

#include "engine/blob_codec.h"
#include "engine/record_rows.h"

namespace kvs {

TierWriter::TierWriter(BlobStore& store, const ArchiveHeader& header, Complaints& complaints)
    : store_(store),
      header_(header),
      complaints_(complaints),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

TierWriter::~TierWriter() = default;  // the thread is told to stop and waited for

void TierWriter::put(uint64_t donor, const BlobName& name, KvRecord rows) {
  const int64_t bytes = bytes_of(rows);
  push({.donor = donor, .name = name, .content = std::move(rows), .bytes = bytes});
}

void TierWriter::put(uint64_t donor, const BlobName& name, PromptRecord prompt) {
  push({.donor = donor, .name = name, .content = std::move(prompt)});
}

void TierWriter::remove(const BlobName& name) {
  push({.name = name, .content = Removal()});
}

void TierWriter::push(Item item) {
  const std::lock_guard lock(mutex_);
  bytes_ += item.bytes;
  waiting_.push_back(std::move(item));
  changed_.notify_all();
}

int64_t TierWriter::waiting_bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

std::vector<WriteEnd> TierWriter::take_ends() {
  const std::lock_guard lock(mutex_);
  return std::exchange(ends_, {});
}

bool TierWriter::drain(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [this] { return waiting_.empty() && !busy_; });
}

void TierWriter::run(const std::stop_token& stop) {
  take_errors_for_signals();
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !waiting_.empty(); }) &&
         !stop.stop_requested()) {
    Item item = std::move(waiting_.front());
    waiting_.pop_front();
    busy_ = true;
    lock.unlock();
    write(item);
    const int64_t bytes = item.bytes;
    const bool ends = std::holds_alternative<PromptRecord>(item.content);
    item = {};  // its memory is free before others may wait
    lock.lock();
    bytes_ -= bytes;
    busy_ = false;
    if (ends) ends_.push_back(std::exchange(current_, {}));
    changed_.notify_all();
  }
}

void TierWriter::write(Item& item) {
  const bool removal = std::holds_alternative<Removal>(item.content);
  if (!removal && item.donor != current_.donor) {  // the last one was given up, or ended
    current_ = {.donor = item.donor};
    failed_ = false;
  }
  try {
    if (removal) return store_.remove(item.name);
    if (!failed_) current_.written.push_back({item.name, put(item)});
  } catch (const Error& error) {
    failed_ = failed_ || !removal;
    complaints_.failed(error);
  } catch (const std::bad_alloc&) {
    failed_ = true;
    complaints_.failed({ErrorKind::io, store_.name() + ": not enough memory to write"});
  }
  current_.ok = !failed_;
}

int64_t TierWriter::put(Item& item) {
  auto* rows = std::get_if<KvRecord>(&item.content);
  RecordShelf* shelf = store_.shelf();
  if (rows && shelf)
    return shelf->put(item.name, std::make_shared<const KvRecord>(std::move(*rows)));
  const Bytes bytes = rows ? encode_blob(header_, *rows)
                           : encode_blob(header_, std::get<PromptRecord>(item.content));
  return store_.put(item.name, bytes);
}

}  // namespace kvs
