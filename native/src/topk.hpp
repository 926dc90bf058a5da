// Exact selection of the best K items per user from tiles of scores.
//
// Scores come in tiles, items ascending from tile to tile. Per user there is a threshold, the K-th best
// score so far; a tile is compared with it 64 scores at a time, and only what exceeds it is looked at.
// Candidates go to a buffer of 2K and more; when it is full, the best K stay (quickselect, Hoare 1961) and the
// threshold rises. A candidate costs O(1) amortised in any order of scores; over scores in random order
// about K * (1 + log(items / K)) of them occur.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weft {

// Which instructions compare a tile; all give the same result.
enum class Simd { portable, avx2, avx512 };

// The widest that this processor has.
Simd widest_simd() noexcept;

// Items that users have had, as CSR: those of user `u` are items[offsets[u] .. offsets[u + 1]), ascending.
struct SeenItems {
  std::span<const std::int64_t> offsets;  // users + 1; may start anywhere: offsets[0] is items[0]
  std::span<const std::uint32_t> items;
};

// The best `k` items for each of some users. Not for several threads at once.
class TopK {
 public:
  // Domain: k >= 1. Memory: `bytes(num_users, k)`.
  TopK(std::size_t num_users, std::size_t k, Simd simd = widest_simd());

  static std::size_t bytes(std::size_t num_users, std::size_t k) noexcept;

  // Forgets everything; the next tiles are about users first_user … first_user + num_users - 1, which must be
  // at most as many as at first. `seen` must outlive the tiles; empty offsets are no filter.
  //
  // Errors: GRAPH074 (user) when seen items of a user are not ascending, or not below num_items.
  void begin(std::uint64_t first_user, std::size_t num_users, const SeenItems& seen, std::uint64_t num_items);

  // Takes the scores of all users for items ids[0 .. num_items), or first_item … when `ids` is null. Items
  // ascend within a call and from call to call. `scores` is (num_users, num_items), row by row.
  //
  // Errors: GRAPH073 (user) when the score of an item that counts is NaN.
  void push(const float* scores, std::size_t num_items, std::uint32_t first_item, const std::uint32_t* ids);

  // Writes (num_users, width) items and scores, best first, equal scores by item; -1 and -inf where a user
  // has fewer. width >= k; columns from k on are padding. -0 comes out as 0.
  void finish(std::int64_t* items, float* scores, std::size_t width);

  std::size_t num_users() const noexcept { return num_users_; }

 private:
  void offer(std::size_t user, float score, std::uint32_t item);
  bool is_seen(std::size_t user, std::uint32_t item);

  std::size_t k_;
  std::size_t capacity_;
  std::size_t num_users_ = 0;
  std::uint64_t first_user_ = 0;
  Simd simd_;
  SeenItems seen_;
  std::vector<std::uint64_t> keys_;       // (users, capacity)
  std::vector<std::uint64_t> spare_;      // where a partition writes
  std::vector<std::size_t> counts_;       // keys of each user
  std::vector<float> thresholds_;         // NaN: everything is accepted
  std::vector<std::int64_t> seen_cursor_; // first seen item that is not below the last candidate
};

// Writes each row divided by its Euclidean length, computed in double; a row of zeros stays.
void normalize_rows(const float* rows, std::size_t num_rows, std::size_t width, float* out) noexcept;

}  // namespace weft
