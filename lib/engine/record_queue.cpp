#include "engine/record_queue.h"

#include <new>
#include <utility>

namespace kvs {

RecordQueue::RecordQueue(ArchiveWriter& writer)
    : writer_(writer), thread_([this](const std::stop_token& stop) { run(stop); }) {}

RecordQueue::~RecordQueue() = default;  // the thread is told to stop and waited for

void RecordQueue::push(std::vector<KvRecord> records, int64_t bytes) {
  push({.records = std::move(records), .bytes = bytes});
}

void RecordQueue::push(PromptRecord prompt) {
  push({.prompt = std::move(prompt), .is_prompt = true});
}

void RecordQueue::push(Item item) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return waiting_.size() < kMaxItems && (bytes_ == 0 || bytes_ + item.bytes <= kMaxWaiting);
  });
  bytes_ += item.bytes;
  waiting_.push_back(std::move(item));
  changed_.notify_all();
}

void RecordQueue::drain() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_.empty() && !busy_; });
}

std::vector<Error> RecordQueue::take_errors() {
  const std::lock_guard lock(mutex_);
  return std::exchange(errors_, {});
}

std::vector<Hash128> RecordQueue::take_missing() {
  const std::lock_guard lock(mutex_);
  return std::exchange(missing_, {});
}

void RecordQueue::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !waiting_.empty(); }) &&
         !stop.stop_requested()) {
    Item item = std::move(waiting_.front());
    waiting_.pop_front();
    busy_ = true;
    lock.unlock();
    write(item);
    const int64_t bytes = item.bytes;
    item = {};  // its memory is free before others may wait
    lock.lock();
    bytes_ -= bytes;
    busy_ = false;
    changed_.notify_all();
  }
}

void RecordQueue::write(const Item& item) {
  try {
    if (broken_ || prompt_failed_) {
      // Of no use without what failed before it.
    } else if (item.is_prompt) {
      writer_.add(item.prompt);
    } else {
      writer_.add(item.records);
    }
  } catch (const Error& error) {
    note(item, error);
  } catch (const std::bad_alloc&) {
    note(item, {ErrorKind::io, "not enough memory to write the archive"});
  }
  if (item.is_prompt) prompt_failed_ = false;
}

void RecordQueue::note(const Item& item, const Error& error) {
  prompt_failed_ = true;
  broken_ = error.kind() == ErrorKind::io;
  const std::lock_guard lock(mutex_);
  errors_.push_back(error);
  for (const KvRecord& record : item.records)
    if (!writer_.has_kv(record.id)) missing_.push_back(record.id);
}

}  // namespace kvs
