// RUN: quant-opt %s --split-input-file --verify-diagnostics

// A case for every numbered rule of the lm dialect.

func.func @linear_c1_weight_rank(%x: tensor<4xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{'lm.linear' op C1: the weight must be [N, K], got 'tensor<4xf32>'}}
  %0 = lm.linear %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<3xf32>
  return
}

// -----

func.func @linear_c1_k(%x: tensor<2x5xf32>, %w: tensor<3x4xf32>) {
  // expected-error @+1 {{'lm.linear' op C1: x and weight must agree on K: 'tensor<2x5xf32>' and 'tensor<3x4xf32>'}}
  %0 = lm.linear %x, %w : tensor<2x5xf32>, tensor<3x4xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @linear_c1_result(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @+1 {{'lm.linear' op C1: the result must have x's shape with N = 3 last, got 'tensor<2x4xf32>'}}
  %0 = lm.linear %x, %w : tensor<2x4xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @linear_c2(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{'lm.linear' op C2: the bias must have shape [3], got 'tensor<4xf32>'}}
  %0 = lm.linear %x, %w bias %b : tensor<2x4xf32>, tensor<3x4xf32>, tensor<4xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @embedding_c1_table(%ids: tensor<?xi32>, %table: tensor<8xf32>) {
  // expected-error @+1 {{'lm.embedding' op C1: the table must be [V, E], got 'tensor<8xf32>'}}
  %0 = lm.embedding %ids, %table : tensor<?xi32>, tensor<8xf32> -> tensor<?x8xf32>
  return
}

// -----

func.func @embedding_c1_result(%ids: tensor<?xi32>, %table: tensor<9x8xf32>) {
  // expected-error @+1 {{'lm.embedding' op C1: the result must have ids' shape with E = 8 appended, got 'tensor<?x9xf32>'}}
  %0 = lm.embedding %ids, %table : tensor<?xi32>, tensor<9x8xf32> -> tensor<?x9xf32>
  return
}

// -----

func.func @rms_norm_c1(%x: tensor<?x8xf32>, %gain: tensor<7xf32>) {
  // expected-error @+1 {{'lm.rms_norm' op C1: the gain must have shape [8], got 'tensor<7xf32>'}}
  %0 = lm.rms_norm %x, %gain {eps = 1.0e-5} : tensor<?x8xf32>, tensor<7xf32>
  return
}

// -----

func.func @layer_norm_c1_gain(%x: tensor<?x8xf32>, %gain: tensor<1x8xf32>) {
  // expected-error @+1 {{'lm.layer_norm' op C1: the gain must have shape [8], got 'tensor<1x8xf32>'}}
  %0 = lm.layer_norm %x, %gain {eps = 1.0e-5} : tensor<?x8xf32>, tensor<1x8xf32>
  return
}

// -----

func.func @layer_norm_c1_bias(%x: tensor<?x8xf32>, %gain: tensor<8xf32>, %bias: tensor<9xf32>) {
  // expected-error @+1 {{'lm.layer_norm' op C1: the bias must have shape [8], got 'tensor<9xf32>'}}
  %0 = lm.layer_norm %x, %gain bias %bias {eps = 1.0e-5} : tensor<?x8xf32>, tensor<8xf32>, tensor<9xf32>
  return
}

// -----

func.func @rope_c1_rank(%x: tensor<64xf32>, %position: index) {
  // expected-error @+1 {{'lm.rope' op C1: x must be [..., tokens, heads * head_size] with head_size = 64, got 'tensor<64xf32>'}}
  %0 = lm.rope %x at %position {base = 1.0e+04, head_size = 64, style = #lm.rope_style<half>} : tensor<64xf32>
  return
}

// -----

func.func @rope_c1_heads(%x: tensor<?x100xf32>, %position: index) {
  // expected-error @+1 {{'lm.rope' op C1: x must be [..., tokens, heads * head_size] with head_size = 64, got 'tensor<?x100xf32>'}}
  %0 = lm.rope %x at %position {base = 1.0e+04, head_size = 64, style = #lm.rope_style<half>} : tensor<?x100xf32>
  return
}

// -----

func.func @rope_c2_odd(%x: tensor<?x64xf32>, %position: index) {
  // expected-error @+1 {{'lm.rope' op C2: 15 elements of a head of 64 cannot be rotated in pairs}}
  %0 = lm.rope %x at %position {base = 1.0e+04, head_size = 64, rotary_size = 15, style = #lm.rope_style<half>} : tensor<?x64xf32>
  return
}

// -----

func.func @rope_c2_large(%x: tensor<?x64xf32>, %position: index) {
  // expected-error @+1 {{'lm.rope' op C2: 66 elements of a head of 64 cannot be rotated in pairs}}
  %0 = lm.rope %x at %position {base = 1.0e+04, head_size = 64, rotary_size = 66, style = #lm.rope_style<half>} : tensor<?x64xf32>
  return
}

// -----

func.func @rope_c3_count(%x: tensor<?x64xf32>, %position: index) {
  // expected-error @+1 {{'lm.rope' op C3: divisors must be 2 positive numbers}}
  %0 = lm.rope %x at %position {base = 1.0e+04, divisors = array<f64: 1.0>, head_size = 64, rotary_size = 4, style = #lm.rope_style<half>} : tensor<?x64xf32>
  return
}

// -----

func.func @rope_c3_zero(%x: tensor<?x64xf32>, %position: index) {
  // expected-error @+1 {{'lm.rope' op C3: divisors must be 2 positive numbers}}
  %0 = lm.rope %x at %position {base = 1.0e+04, divisors = array<f64: 1.0, 0.0>, head_size = 64, rotary_size = 4, style = #lm.rope_style<half>} : tensor<?x64xf32>
  return
}

// -----

func.func @attention_c1_heads(%q: tensor<?x32xf32>, %k: tensor<?x24xf32>) {
  // expected-error @+1 {{'lm.attention' op C1: heads = 4 must be a multiple of kv_heads = 3}}
  %0 = lm.attention %q, %k, %k {heads = 4, kv_heads = 3, scale = 1.0} : tensor<?x32xf32>, tensor<?x24xf32>, tensor<?x24xf32>
  return
}

// -----

func.func @attention_c1_size(%q: tensor<?x32xf32>, %k: tensor<?x24xf32>) {
  // expected-error @+1 {{'lm.attention' op C1: query must be [..., tokens, heads * size], key and value [..., tokens, kv_heads * size], got 'tensor<?x32xf32>', 'tensor<?x24xf32>' and 'tensor<?x24xf32>'}}
  %0 = lm.attention %q, %k, %k {heads = 4, kv_heads = 2, scale = 1.0} : tensor<?x32xf32>, tensor<?x24xf32>, tensor<?x24xf32>
  return
}

// -----

func.func @attention_c1_value(%q: tensor<?x32xf32>, %k: tensor<?x16xf32>, %v: tensor<8x16xf32>) {
  // expected-error @+1 {{'lm.attention' op C1: query must be}}
  %0 = lm.attention %q, %k, %v {heads = 4, kv_heads = 2, scale = 1.0} : tensor<?x32xf32>, tensor<?x16xf32>, tensor<8x16xf32>
  return
}

// -----

func.func @attention_c2_layer_alone(%q: tensor<?x32xf32>) {
  // expected-error @+1 {{'lm.attention' op C2: cache, layer and position come together}}
  %0 = lm.attention %q, %q, %q {heads = 4, kv_heads = 4, layer = 1, scale = 1.0} : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>
  return
}

// -----

func.func @attention_c2_cache(%q: tensor<?x32xf32>, %cache: !lm.kv_cache<2 x 4 x 16 x f32>, %position: index) {
  // expected-error @+1 {{'lm.attention' op C2: '!lm.kv_cache<2 x 4 x 16 x f32>' does not have 4 heads of 8}}
  %0 = lm.attention %q, %q, %q cache %cache[0] at %position {heads = 4, kv_heads = 4, scale = 1.0} : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>, !lm.kv_cache<2 x 4 x 16 x f32>
  return
}

// -----

func.func @attention_c2_layer(%q: tensor<?x32xf32>, %cache: !lm.kv_cache<2 x 4 x 8 x f32>, %position: index) {
  // expected-error @+1 {{'lm.attention' op C2: '!lm.kv_cache<2 x 4 x 8 x f32>' has no layer 2}}
  %0 = lm.attention %q, %q, %q cache %cache[2] at %position {heads = 4, kv_heads = 4, scale = 1.0} : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>, !lm.kv_cache<2 x 4 x 8 x f32>
  return
}

// -----

func.func @attention_c3(%q: tensor<?x32xf32>, %mask: tensor<?xf32>) {
  // expected-error @+1 {{'lm.attention' op C3: the mask must be [tokens, keys], got 'tensor<?xf32>'}}
  %0 = lm.attention %q, %q, %q mask %mask {heads = 4, kv_heads = 4, scale = 1.0} : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32> mask tensor<?xf32>
  return
}

// -----

// expected-error @+1 {{!lm.kv_cache: layers, heads and head size must be at least 1}}
func.func private @cache_sizes(!lm.kv_cache<2 x 0 x 8 x f32>)

// -----

// expected-error @+1 {{!lm.kv_cache: the element type must be a float or i8, got 'i4'}}
func.func private @cache_type(!lm.kv_cache<2 x 1 x 8 x i4>)

// -----

func.func @linear_c3_rows(%x: tensor<?x2x16xf32>, %w: tensor<33x16xf32>, %experts: tensor<9xi32>) {
  // expected-error @+1 {{C3: experts must be [E + 1] and the weight's 33 rows a multiple of E, got 'tensor<9xi32>'}}
  %0 = lm.linear %x, %w experts %experts : tensor<?x2x16xf32>, tensor<33x16xf32> experts tensor<9xi32> -> tensor<?x2x4xf32>
  return
}

// -----

func.func @linear_c3_dynamic(%x: tensor<?x2x16xf32>, %w: tensor<32x16xf32>, %experts: tensor<?xi32>) {
  // expected-error @+1 {{C3: experts must be [E + 1]}}
  %0 = lm.linear %x, %w experts %experts : tensor<?x2x16xf32>, tensor<32x16xf32> experts tensor<?xi32> -> tensor<?x2x4xf32>
  return
}

// -----

func.func @linear_c3_bias(%x: tensor<?x2x16xf32>, %w: tensor<32x16xf32>, %b: tensor<4xf32>, %experts: tensor<9xi32>) {
  // expected-error @+1 {{C3: experts have no bias}}
  %0 = lm.linear %x, %w bias %b experts %experts : tensor<?x2x16xf32>, tensor<32x16xf32>, tensor<4xf32> experts tensor<9xi32> -> tensor<?x2x4xf32>
  return
}

// -----

func.func @linear_c1_experts(%x: tensor<?x2x16xf32>, %w: tensor<32x16xf32>, %experts: tensor<9xi32>) {
  // expected-error @+1 {{C1: the result must have x's shape with N = 4 last, got 'tensor<?x2x32xf32>'}}
  %0 = lm.linear %x, %w experts %experts : tensor<?x2x16xf32>, tensor<32x16xf32> experts tensor<9xi32> -> tensor<?x2x32xf32>
  return
}

// -----

func.func @route_c1_scores(%scores: tensor<4x?xf32>) {
  // expected-error @+1 {{C1: scores must be [T, E] with a static E, got 'tensor<4x?xf32>'}}
  %0:4 = lm.route %scores top 2 : tensor<4x?xf32> -> tensor<4x2xf32>, tensor<4x2xi32>, tensor<4x2xi32>, tensor<9xi32>
  return
}

// -----

func.func @route_c1_top(%scores: tensor<4x8xf32>) {
  // expected-error @+1 {{C1: top = 9 is not between 1 and 8}}
  %0:4 = lm.route %scores top 9 : tensor<4x8xf32> -> tensor<4x9xf32>, tensor<4x9xi32>, tensor<4x9xi32>, tensor<9xi32>
  return
}

// -----

func.func @route_c1_result(%scores: tensor<4x8xf32>) {
  // expected-error @+1 {{C1: a result must be 'tensor<9xi32>', got 'tensor<8xi32>'}}
  %0:4 = lm.route %scores top 2 : tensor<4x8xf32> -> tensor<4x2xf32>, tensor<4x2xi32>, tensor<4x2xi32>, tensor<8xi32>
  return
}
