// A crop of an encoded JPEG image, or of pixels, as a network's tensor; called by src/tinynets/data/native.py.
//
// Only the crop of a JPEG is decoded: entropy decoding up to the crop's last row, and transforms, chroma and colours of
// the crop's columns and rows only, at 1/2, 1/4 or 1/8 of the size if asked for. The pixels are the same
// as if the whole image were decoded.
#include <cstdio>  // before jpeglib.h, which needs it

#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <vector>

#include "resize.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

using namespace tinynets;

struct Errors {
  jpeg_error_mgr manager;  // first: libjpeg knows this part only
  jmp_buf leave;
};

[[noreturn]] void Leave(j_common_ptr jpeg) { longjmp(reinterpret_cast<Errors *>(jpeg->err)->leave, 1); }

void LeaveOnWarning(j_common_ptr jpeg, int level) {
  if (level < 0) Leave(jpeg);
}

void Silent(j_common_ptr) {}

// Whether the only scan, whose data begins here, is followed by the end of the image. If not, the data after the crop's
// last row, which is not read here, may be damaged or missing; then the whole is read elsewhere.
bool EndsWithTheScan(const uint8_t *data, size_t size) {
  constexpr int STUFFED = 0, FIRST_RESTART = 0xd0, LAST_RESTART = 0xd7, END = 0xd9, PREFIX = 0xff;
  const uint8_t *const end = data + size;
  while (data < end && (data = static_cast<const uint8_t *>(std::memchr(data, PREFIX, end - data))) != nullptr) {
    while (data < end && *data == PREFIX) data++;
    if (data == end) return false;
    if (*data == END) return true;
    if (*data != STUFFED && (*data < FIRST_RESTART || *data > LAST_RESTART)) return false;
  }
  return false;
}

// The place of a side (begin, end) of the crop in an image decoded at 1/scale.
struct Side {
  int first, last;   // whole pixels that hold it
  float begin, end;  // itself, from `first` on
  Side(int from, int to, int scale, int length)
      : first(from / scale),
        last(std::min(length, (to + scale - 1) / scale)),
        begin(static_cast<float>(from) / scale - first),
        end(static_cast<float>(to) / scale - first) {}
};

// The rows of a crop. No call has a local object with a destructor, as an error of libjpeg leaves it by longjmp.
class Decoder {
 public:
  Decoder() {
    jpeg_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = Leave;
    errors_.manager.emit_message = LeaveOnWarning;
    errors_.manager.output_message = Silent;
  }
  ~Decoder() { jpeg_destroy_decompress(&jpeg_); }  // the rows below the crop are not needed
  Decoder(const Decoder &) = delete;

  // Starts decoding; sets the number of pixels of the crop and its place in them. Returns false on failure.
  bool Start(const uint8_t *data, size_t size, int scale, const int *crop, Source *source, float *box) {
    if (setjmp(errors_.leave)) return false;
    jpeg_create_decompress(&jpeg_);
    jpeg_mem_src(&jpeg_, data, size);
    jpeg_read_header(&jpeg_, TRUE);
    if (jpeg_.num_components != 3 || jpeg_.jpeg_color_space != JCS_YCbCr || jpeg_.data_precision != 8 ||
        crop[2] > static_cast<int>(jpeg_.image_width) || crop[3] > static_cast<int>(jpeg_.image_height)) {
      return false;
    }
    if (!jpeg_has_multiple_scans(&jpeg_) && !EndsWithTheScan(jpeg_.src->next_input_byte, jpeg_.src->bytes_in_buffer)) {
      return false;
    }
    jpeg_.out_color_space = JCS_EXT_RGBX;
    jpeg_.scale_denom = scale;
    jpeg_start_decompress(&jpeg_);
    const int width = jpeg_.output_width, height = jpeg_.output_height;
    const Side across(crop[0], crop[2], scale, width), down(crop[1], crop[3], scale, height);
    // Two more columns on each side, as the chroma of a border column is computed without its neighbour.
    JDIMENSION left = std::max(0, across.first - 2);
    JDIMENSION columns = std::min(width, across.last + 2) - left;
    jpeg_crop_scanline(&jpeg_, &left, &columns);
    if (down.first > 0) jpeg_skip_scanlines(&jpeg_, down.first);
    source->width = across.last - across.first;
    source->height = down.last - down.first;
    source->stride = size_t{4} * jpeg_.output_width;
    offset_ = size_t{4} * (across.first - left);
    const float found[] = {across.begin, down.begin, across.end, down.end};
    std::copy(found, found + 4, box);
    return true;
  }

  // Reads the next `count` rows into memory of FOUR; returns null on failure.
  const uint8_t *Read(int count, uint8_t *pixels) {
    if (setjmp(errors_.leave)) return nullptr;
    for (int y = 0; y < count; y++) {
      JSAMPROW row = pixels + size_t{4} * jpeg_.output_width * y;
      if (jpeg_read_scanlines(&jpeg_, &row, 1) != 1) return nullptr;
    }
    return pixels + offset_;
  }

 private:
  jpeg_decompress_struct jpeg_{};
  Errors errors_;
  size_t offset_ = 0;  // bytes from the start of a row to the crop
};

// Returns this thread's uninitialised memory for four rows. No row begins at a multiple of four bytes: libjpeg-turbo
// writes rows at multiples of 16 or 32 around the caches, although they are read at once.
uint8_t *FourRows(size_t stride) {
  constexpr int ASKEW = 2;
  thread_local std::vector<uint8_t> rows;
  rows.resize(std::max(rows.size(), ASKEW + stride * FOUR + 16));
  return rows.data() + ASKEW;
}

}  // namespace

// Crop (left, top, right, bottom) in pixels of the full size -> (3, side, side); 0, or 1 if Pillow must do it.
EXPORT int tinynets_crop_jpeg(const uint8_t *data, size_t size, int scale, const int *crop, int side, int mirrored,
                              const float *factors, float *out) {
  Decoder decoder;
  Source source;
  float box[4];
  if (!decoder.Start(data, size, scale, crop, &source, box)) return 1;
  source.rows = [&, rows = FourRows(source.stride)](int y) {
    return decoder.Read(std::min(FOUR, source.height - y), rows);
  };
  return !ResizeToTensor(source, box, side, mirrored, factors, out);
}

// The same for (height, width, 3) bytes with rows `stride` bytes apart.
EXPORT void tinynets_crop_pixels(const uint8_t *pixels, size_t stride, const int *crop, int side, int mirrored,
                                 const float *factors, float *out) {
  const int width = crop[2] - crop[0], height = crop[3] - crop[1];
  uint8_t *const four = FourRows(size_t{4} * width);
  const auto rows = [&](int first) {
    uint8_t *to = four;
    for (int y = first; y < std::min(first + FOUR, height); y++) {
      const uint8_t *in = pixels + stride * (crop[1] + y) + size_t{3} * crop[0];
      for (int x = 0; x < width; x++, in += 3, to += 4) {
        to[0] = in[0], to[1] = in[1], to[2] = in[2], to[3] = 0;
      }
    }
    return four;
  };
  const float box[] = {0, 0, static_cast<float>(width), static_cast<float>(height)};
  ResizeToTensor({width, height, size_t{4} * width, rows}, box, side, mirrored, factors, out);
}

// A check with a known result, run once on every new build: an image of one colour stays the same.
EXPORT int tinynets_check() {
  constexpr int SIDE = 9;
  std::vector<uint8_t> grey(20 * 20 * 3, 77);
  std::vector<float> out(3 * SIDE * SIDE);
  const int crop[] = {3, 2, 18, 20};
  const float factors[] = {1, 1, 1, 0, -256, -512};
  tinynets_crop_pixels(grey.data(), 60, crop, SIDE, 1, factors, out.data());
  for (int i = 0; i < 3 * SIDE * SIDE; i++) {
    if (out[i] != static_cast<float>(256 * (i / (SIDE * SIDE)) + 77)) return 1;
  }
  return 0;
}
