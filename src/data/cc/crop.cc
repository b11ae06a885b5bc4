// A crop of an encoded JPEG image, or of pixels, as a network's tensor: what src/data/native.py calls.
//
// Of a JPEG only what the crop needs is decoded: entropy decoding up to the crop's last row, and the transforms, the
// chroma and the colours of the crop's own columns and rows, at 1/2, 1/4 or 1/8 of the size where asked for. The pixels
// are those that decoding everything would give.
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

// Where a side (begin, end) of the crop lies in an image decoded at 1/scale.
struct Side {
  int first, last;  // whole pixels that hold it
  float begin, end;  // itself, from `first` on
  Side(int from, int to, int scale, int length)
      : first(from / scale), last(std::min(length, (to + scale - 1) / scale)),
        begin(static_cast<float>(from) / scale - first), end(static_cast<float>(to) / scale - first) {}
};

// Fills `pixels` with the rows of the crop and says where in them the crop begins; false where it can't. Everything
// that needs a destructor lives outside: an error of libjpeg jumps out of here.
bool Decode(const uint8_t *data, size_t size, int scale, const int *crop, std::vector<uint8_t> &pixels, View &view,
            float *box) {
  jpeg_decompress_struct jpeg;
  Errors errors;
  jpeg.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = Leave;
  errors.manager.emit_message = LeaveOnWarning;
  errors.manager.output_message = Silent;
  if (setjmp(errors.leave)) {
    jpeg_destroy_decompress(&jpeg);
    return false;
  }
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, data, size);
  jpeg_read_header(&jpeg, TRUE);
  if (jpeg.num_components != 3 || jpeg.jpeg_color_space != JCS_YCbCr || jpeg.data_precision != 8 ||
      crop[2] > static_cast<int>(jpeg.image_width) || crop[3] > static_cast<int>(jpeg.image_height)) {
    Leave(reinterpret_cast<j_common_ptr>(&jpeg));
  }
  jpeg.out_color_space = JCS_EXT_RGBX;
  jpeg.scale_denom = scale;
  jpeg_start_decompress(&jpeg);
  const int width = jpeg.output_width, height = jpeg.output_height;
  const Side across(crop[0], crop[2], scale, width), down(crop[1], crop[3], scale, height);
  // Two columns more on each side, since the chroma of a border column is made without its neighbour.
  JDIMENSION left = std::max(0, across.first - 2);
  JDIMENSION columns = std::min(width, across.last + 2) - left;
  jpeg_crop_scanline(&jpeg, &left, &columns);
  if (down.first > 0) jpeg_skip_scanlines(&jpeg, down.first);
  const int rows = down.last - down.first;
  view.stride = size_t{4} * jpeg.output_width;
  pixels.resize(view.stride * rows);
  for (int y = 0; y < rows; y++) {
    JSAMPROW row = &pixels[view.stride * y];
    if (jpeg_read_scanlines(&jpeg, &row, 1) != 1) Leave(reinterpret_cast<j_common_ptr>(&jpeg));
  }
  view.pixels = &pixels[size_t{4} * (across.first - left)];
  view.width = across.last - across.first;
  view.height = rows;
  const float found[] = {across.begin, down.begin, across.end, down.end};
  std::copy(found, found + 4, box);
  jpeg_destroy_decompress(&jpeg);  // the rows below are nobody's business
  return true;
}

}  // namespace

// Crop (left, top, right, bottom) in pixels of the full size -> (3, side, side); 0, or 1 where Pillow must do it.
EXPORT int tinynets_crop_jpeg(const uint8_t *data, size_t size, int scale, const int *crop, int side, int mirrored,
                              const float *table, float *out) {
  thread_local std::vector<uint8_t> pixels;
  View view;
  float box[4];
  if (!Decode(data, size, scale, crop, pixels, view, box)) return 1;
  ResizeToTensor(view, box, side, mirrored, table, out);
  return 0;
}

// The same of (height, width, 3) bytes, rows `stride` bytes apart.
EXPORT void tinynets_crop_pixels(const uint8_t *pixels, size_t stride, const int *crop, int side, int mirrored,
                                 const float *table, float *out) {
  const int width = crop[2] - crop[0], height = crop[3] - crop[1];
  thread_local std::vector<uint8_t> four;
  four.resize(size_t{4} * width * height);
  uint8_t *to = four.data();
  for (int y = 0; y < height; y++) {
    const uint8_t *in = pixels + stride * (crop[1] + y) + size_t{3} * crop[0];
    for (int x = 0; x < width; x++, in += 3, to += 4) {
      to[0] = in[0], to[1] = in[1], to[2] = in[2], to[3] = 0;
    }
  }
  const float box[] = {0, 0, static_cast<float>(width), static_cast<float>(height)};
  ResizeToTensor({four.data(), size_t{4} * width, width, height}, box, side, mirrored, table, out);
}

// A known result, run once on every new build: one colour stays itself.
EXPORT int tinynets_check() {
  constexpr int SIDE = 9;
  std::vector<uint8_t> grey(20 * 20 * 3, 77);
  std::vector<float> table(768), out(3 * SIDE * SIDE);
  for (int i = 0; i < 768; i++) table[i] = static_cast<float>(i);
  const int crop[] = {3, 2, 18, 20};
  tinynets_crop_pixels(grey.data(), 60, crop, SIDE, 1, table.data(), out.data());
  for (int i = 0; i < 3 * SIDE * SIDE; i++) {
    if (out[i] != static_cast<float>(256 * (i / (SIDE * SIDE)) + 77)) return 1;
  }
  return 0;
}
