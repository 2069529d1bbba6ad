/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * secondary.c: sections that xdelta3 compressed with DJW or FGK, back to bytes.
 *
 * RFC 3284 leaves secondary compression to the application; what is said here was settled on what xdelta3
 * 3.0.11 writes with -S djw and -S fgk. In both, a byte's bits are used from the lowest up, and numbers and
 * codes come with their highest bit first.
 *
 * DJW: every section on its own. Up to eight prefix codes, of which one is chosen for each sector of bytes
 * (as in bzip2). In order: the number of codes; if more than one, the sector size; the code for code lengths;
 * the lengths of all codes, moved to front and with runs; if more than one code, the code for choices, and
 * the choices, likewise; then the bytes.
 *
 * FGK: an adaptive Huffman code (Knuth, Journal of Algorithms 6, 1985) that goes on from window to window,
 * for each kind of section. A symbol's first occurrence is the code of the node for all unseen ones and then
 * its number among them, in just enough bits. xdelta3 keeps nodes of one weight in blocks, and there are
 * nodes which it forgets to move to another block; they change what is swapped with what, so the blocks are
 * kept here in the same way. Whether input can bring a forgotten node to wreck the tree is not known:
 * a swap that would is an error.
 *
 * The input is hostile: every loop is bounded by the output, and a code that does not exist is an error.
 */
#include "internal.h"

#include <stdlib.h>

struct bit_reader {
    struct reader bytes;
    unsigned byte;
    unsigned left; /* bits of it */
};

static vcd_error read_bit(struct bit_reader *in, unsigned *bit) {
    if (in->left == 0) {
        uint8_t byte = 0;
        VCD_TRY(read_byte(&in->bytes, &byte));
        in->byte = byte;
        in->left = 8;
    }
    *bit = in->byte & 1;
    in->byte >>= 1;
    in->left--;
    return VCD_OK;
}

static vcd_error read_bits(struct bit_reader *in, unsigned count, unsigned *value) {
    *value = 0;
    while (count-- > 0) {
        unsigned bit = 0;
        VCD_TRY(read_bit(in, &bit));
        *value = *value << 1 | bit;
    }
    return VCD_OK;
}

/* ---- DJW ---- */

enum {
    SYMBOLS = 256,
    CODES_MAX = 8,
    LENGTH_MAX = 20, /* bits of a byte's code */
    SECTOR_UNIT = 5,
    RUN_SYMBOLS = 2,                          /* that say how often the last value comes again */
    LENGTH_SYMBOLS = RUN_SYMBOLS + LENGTH_MAX /* and the places of the list of values, but the first */
};

/* Canonical: shorter codes first, then by symbol (as in RFC 1951, 3.2.2). */
struct prefix_code {
    unsigned count[LENGTH_MAX + 1]; /* codes of each length */
    uint8_t symbols[SYMBOLS];       /* in the order of their codes */
};

static void make_code(struct prefix_code *code, const uint8_t *lengths, unsigned symbols) {
    memset(code, 0, sizeof *code);
    unsigned used = 0;
    for (unsigned length = 1; length <= LENGTH_MAX; length++) {
        for (unsigned i = 0; i < symbols; i++) {
            if (lengths[i] == length) {
                code->symbols[used++] = (uint8_t)i;
                code->count[length]++;
            }
        }
    }
}

static vcd_error read_symbol(struct bit_reader *in, const struct prefix_code *code, unsigned *symbol) {
    unsigned value = 0;
    unsigned first = 0; /* the first code of this length, and its place in `symbols` */
    unsigned place = 0;
    for (unsigned length = 1; length <= LENGTH_MAX; length++) {
        unsigned bit = 0;
        VCD_TRY(read_bit(in, &bit));
        value = value << 1 | bit;
        first <<= 1;
        if (value >= first && value - first < code->count[length]) {
            *symbol = code->symbols[place + value - first];
            return VCD_OK;
        }
        first += code->count[length];
        place += code->count[length];
    }
    return VCD_E_COMPRESSED;
}

/*
 * `count` values, each a place in `list`, to whose front it then moves. Symbols 0 and 1 are the digits 1 and
 * 2 of how often the front is repeated, lowest first (1 and 2 rather than 0 and 1, so that each number can
 * be written in one way); the others are places plus one. When `above` is not 0, a value that many places
 * after a zero is zero itself and not written.
 */
static vcd_error read_values(struct bit_reader *in, const struct prefix_code *code, uint8_t *list,
                             size_t count, size_t above, uint8_t *values) {
    size_t repeat = 0;
    unsigned digits = 0;
    unsigned place = 0;
    for (size_t done = 0; done < count;) {
        if (above != 0 && done >= above && values[done - above] == 0) {
            values[done++] = 0;
        } else if (repeat > 0) {
            values[done++] = list[0];
            repeat--;
        } else if (place > 0) {
            uint8_t value = list[place];
            memmove(list + 1, list, place);
            list[0] = value;
            values[done++] = value;
            place = 0;
        } else {
            unsigned symbol = 0;
            VCD_TRY(read_symbol(in, code, &symbol));
            if (symbol < RUN_SYMBOLS) {
                VCD_CHECK(digits < 32, VCD_E_COMPRESSED);
                uint64_t more = (uint64_t)(symbol + 1) << digits++;
                VCD_CHECK(more <= count - done, VCD_E_COMPRESSED);
                repeat = (size_t)more;
            } else {
                place = symbol - RUN_SYMBOLS + 1;
                digits = 0;
            }
        }
    }
    VCD_CHECK(repeat == 0, VCD_E_COMPRESSED);
    return VCD_OK;
}

static vcd_error read_codes(struct bit_reader *in, struct prefix_code *codes, unsigned count) {
    enum { ALWAYS = 7, COUNT_BITS = 4, LENGTH_BITS = 4 };
    static const uint8_t order[LENGTH_MAX + 1] = {0,  4,  5, 6,  7,  8,  9,  10, 3,  11, 2,
                                                  12, 13, 1, 14, 15, 16, 17, 18, 19, 20};
    uint8_t lengths[CODES_MAX * SYMBOLS] = {0};
    uint8_t list[LENGTH_MAX + 1];
    unsigned written = 0;
    VCD_TRY(read_bits(in, COUNT_BITS, &written));
    for (unsigned i = 0; i < written + ALWAYS; i++) {
        unsigned length = 0;
        VCD_TRY(read_bits(in, LENGTH_BITS, &length));
        lengths[i] = (uint8_t)length;
    }
    struct prefix_code for_lengths;
    make_code(&for_lengths, lengths, LENGTH_SYMBOLS);
    memcpy(list, order, sizeof list);
    VCD_TRY(read_values(in, &for_lengths, list, (size_t)count * SYMBOLS, SYMBOLS, lengths));
    for (unsigned i = 0; i < count; i++) {
        make_code(&codes[i], lengths + (size_t)i * SYMBOLS, SYMBOLS);
    }
    return VCD_OK;
}

static vcd_error read_choices(struct bit_reader *in, unsigned codes, uint8_t *choices, size_t sectors) {
    enum { LENGTH_BITS = 3 };
    uint8_t lengths[CODES_MAX + 1];
    uint8_t list[CODES_MAX + 1];
    for (unsigned i = 0; i <= codes; i++) {
        unsigned length = 0;
        VCD_TRY(read_bits(in, LENGTH_BITS, &length));
        lengths[i] = (uint8_t)length;
        list[i] = (uint8_t)i;
    }
    struct prefix_code for_choices;
    make_code(&for_choices, lengths, codes + 1);
    return read_values(in, &for_choices, list, sectors, 0, choices);
}

static vcd_error read_sectors(struct bit_reader *in, const struct prefix_code *codes, const uint8_t *choices,
                              size_t sector, uint8_t *out, size_t size) {
    for (size_t i = 0; i < size; i++) {
        unsigned symbol = 0;
        VCD_TRY(read_symbol(in, &codes[choices[i / sector]], &symbol));
        out[i] = (uint8_t)symbol;
    }
    return VCD_OK;
}

static vcd_error djw_decode(struct bit_reader *in, uint8_t *out, size_t size) {
    enum { COUNT_BITS = 3, SECTOR_BITS = 5 };
    struct prefix_code codes[CODES_MAX];
    unsigned count = 0;
    size_t sector = size;
    VCD_TRY(read_bits(in, COUNT_BITS, &count));
    count += 1;
    if (count > 1) {
        unsigned units = 0;
        VCD_TRY(read_bits(in, SECTOR_BITS, &units));
        sector = (size_t)(units + 1) * SECTOR_UNIT;
    }
    VCD_TRY(read_codes(in, codes, count));
    size_t sectors = (size - 1) / sector + 1;
    uint8_t *choices = calloc(sectors, 1);
    VCD_CHECK(choices != NULL, VCD_E_MEMORY);
    vcd_error error = count > 1 ? read_choices(in, count, choices, sectors) : VCD_OK;
    if (error == VCD_OK) {
        error = read_sectors(in, codes, choices, sector, out, size);
    }
    free(choices);
    return error;
}

/* ---- FGK ---- */

enum { NODES = 2 * SYMBOLS + 1, BLOCKS = 2 * NODES, NOBODY = NODES };

/* Nodes are numbered as they are made. `order` has them by weight, from `lowest` to the root at the end. */
struct fgk {
    uint64_t weight[NODES];
    uint16_t parent[NODES];
    uint16_t child[NODES][2];
    uint16_t place[NODES]; /* in `order` */
    uint16_t order[NODES];
    uint16_t leaf[SYMBOLS]; /* NOBODY: unseen */
    uint8_t symbol[NODES];
    uint16_t block[NODES];        /* nodes of one weight, nearly */
    uint16_t leader[BLOCKS];      /* the last node of each */
    uint16_t free_blocks[BLOCKS]; /* the next to be used is the last freed */
    unsigned free_count;
    bool broken; /* blocks or nodes no longer fit together */
    unsigned count;
    unsigned lowest;
    unsigned unseen;      /* how many symbols are, */
    unsigned unseen_node; /* and the node for them; NOBODY when there are none */
};

static void fgk_init(struct fgk *tree) {
    memset(tree, 0, sizeof *tree);
    for (unsigned i = 0; i < SYMBOLS; i++) {
        tree->leaf[i] = NOBODY;
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        tree->free_blocks[i] = (uint16_t)(BLOCKS - 1 - i);
    }
    tree->free_count = BLOCKS;
    tree->count = 1;
    tree->lowest = NODES - 1;
    tree->order[tree->lowest] = 0;
    tree->place[0] = (uint16_t)tree->lowest;
    tree->parent[0] = NOBODY;
    tree->child[0][0] = NOBODY;
    tree->unseen = SYMBOLS;
}

static unsigned new_node(struct fgk *tree, unsigned parent) {
    unsigned node = tree->count++;
    tree->parent[node] = (uint16_t)parent;
    tree->child[node][0] = NOBODY;
    tree->lowest--;
    tree->order[tree->lowest] = (uint16_t)node;
    tree->place[node] = (uint16_t)tree->lowest;
    return node;
}

static unsigned right_of(const struct fgk *tree, unsigned node) {
    return tree->order[tree->place[node] + 1U];
}

static unsigned left_of(const struct fgk *tree, unsigned node) {
    return tree->place[node] == tree->lowest ? NOBODY : tree->order[tree->place[node] - 1U];
}

static void make_block(struct fgk *tree, unsigned node) {
    if (tree->free_count == 0) {
        tree->broken = true;
        return;
    }
    tree->block[node] = tree->free_blocks[--tree->free_count];
    tree->leader[tree->block[node]] = (uint16_t)node;
}

static void free_block(struct fgk *tree, unsigned block) {
    if (tree->free_count == BLOCKS) {
        tree->broken = true;
        return;
    }
    tree->free_blocks[tree->free_count++] = (uint16_t)block;
}

/* A node that will weigh 1: with those that do, or alone. */
static void join_ones(struct fgk *tree, unsigned node) {
    if (tree->weight[right_of(tree, node)] == 1) {
        tree->block[node] = tree->block[right_of(tree, node)];
    } else {
        make_block(tree, node);
    }
}

/* The symbol's leaf; when it is new the node for unseen symbols becomes the parent of it and of another. */
static unsigned leaf_of(struct fgk *tree, unsigned symbol) {
    if (tree->leaf[symbol] != NOBODY) {
        return tree->leaf[symbol];
    }
    unsigned node = tree->unseen_node;
    if (--tree->unseen > 0) {
        unsigned inner = node;
        node = new_node(tree, inner);
        tree->unseen_node = new_node(tree, inner);
        tree->child[inner][0] = (uint16_t)tree->unseen_node;
        tree->child[inner][1] = (uint16_t)node;
        if (tree->parent[inner] == NOBODY) {
            make_block(tree, node);
            make_block(tree, inner);
        } else {
            join_ones(tree, inner);
            tree->block[node] = tree->block[inner];
        }
    } else {
        tree->unseen_node = NOBODY;
        join_ones(tree, node);
    }
    tree->leaf[symbol] = (uint16_t)node;
    tree->symbol[node] = (uint8_t)symbol;
    return node;
}

static void swap_nodes(struct fgk *tree, unsigned a, unsigned b) {
    unsigned parents[2] = {tree->parent[a], tree->parent[b]};
    unsigned sides[2] = {tree->child[parents[0]][1] == a, tree->child[parents[1]][1] == b};
    tree->child[parents[0]][sides[0]] = (uint16_t)b;
    tree->child[parents[1]][sides[1]] = (uint16_t)a;
    tree->parent[a] = (uint16_t)parents[1];
    tree->parent[b] = (uint16_t)parents[0];
    uint16_t place = tree->place[a];
    tree->place[a] = tree->place[b];
    tree->place[b] = place;
    tree->order[tree->place[a]] = (uint16_t)a;
    tree->order[tree->place[b]] = (uint16_t)b;
}

/* Whether `node` is `other` or above it. */
static bool is_above(const struct fgk *tree, unsigned node, unsigned other) {
    while (other != node && other != NOBODY) {
        other = tree->parent[other];
    }
    return other == node;
}

/* Change places with the leader of the block, so that the weight can grow. */
static void move_right(struct fgk *tree, unsigned node) {
    unsigned leader = tree->leader[tree->block[node]];
    if (leader != node && leader != tree->parent[node]) {
        if (is_above(tree, leader, node) || is_above(tree, node, leader)) {
            tree->broken = true;
            return;
        }
        swap_nodes(tree, node, leader);
        tree->leader[tree->block[node]] = (uint16_t)node;
    }
}

static bool joins_right(const struct fgk *tree, unsigned node) {
    unsigned right = right_of(tree, node);
    return tree->weight[node] + 1 == tree->weight[right] && tree->parent[right] != NOBODY;
}

/* Leave the block for the next heavier one. */
static void promote(struct fgk *tree, unsigned node) {
    unsigned left = left_of(tree, node);
    unsigned block = tree->block[node];
    const uint16_t *child = tree->child[node];
    if (child[0] != NOBODY && child[0] == tree->unseen_node && child[1] == left) {
        if (joins_right(tree, node)) {
            free_block(tree, block);
            tree->block[node] = tree->block[left] = tree->block[right_of(tree, node)];
        }
        return;
    }
    if (left == tree->unseen_node) {
        return;
    }
    if (tree->block[left] == block) {
        tree->leader[block] = (uint16_t)left;
    } else {
        free_block(tree, block);
    }
    if (joins_right(tree, node)) {
        tree->block[node] = tree->block[right_of(tree, node)];
    } else {
        make_block(tree, node);
    }
}

static vcd_error fgk_update(struct fgk *tree, unsigned symbol) {
    unsigned node = leaf_of(tree, symbol);
    while (tree->parent[node] != NOBODY && !tree->broken) {
        if (tree->weight[node] > 0) {
            move_right(tree, node);
            promote(tree, node);
        }
        tree->weight[node]++;
        node = tree->parent[node];
    }
    tree->weight[node]++;
    VCD_CHECK(!tree->broken, VCD_E_COMPRESSED);
    return VCD_OK;
}

/* Which of the unseen symbols: its number takes as many bits as the largest one. */
static vcd_error read_unseen(struct bit_reader *in, const struct fgk *tree, unsigned *symbol) {
    unsigned bits = 0;
    while (1U << bits < tree->unseen) {
        bits++;
    }
    unsigned number = 0;
    VCD_TRY(read_bits(in, bits, &number));
    VCD_CHECK(number < tree->unseen, VCD_E_COMPRESSED);
    unsigned i = 0;
    for (;; i++) {
        if (tree->leaf[i] == NOBODY && number-- == 0) {
            break;
        }
    }
    *symbol = i;
    return VCD_OK;
}

static vcd_error fgk_decode(struct fgk *tree, struct bit_reader *in, uint8_t *out, size_t size) {
    for (size_t i = 0; i < size; i++) {
        unsigned node = tree->order[NODES - 1];
        while (tree->child[node][0] != NOBODY) {
            unsigned bit = 0;
            VCD_TRY(read_bit(in, &bit));
            node = tree->child[node][bit];
        }
        unsigned symbol = tree->symbol[node];
        if (node == tree->unseen_node) {
            VCD_TRY(read_unseen(in, tree, &symbol));
        }
        VCD_TRY(fgk_update(tree, symbol));
        out[i] = (uint8_t)symbol;
    }
    return VCD_OK;
}

/* ---- sections ---- */

struct vcd_secondary {
    unsigned compressor;
    bool failed;
    struct fgk fgk;
};

vcd_error vcd_secondary_new(vcd_secondary **secondary, unsigned compressor) {
    VCD_CHECK(compressor == SECONDARY_DJW || compressor == SECONDARY_FGK, VCD_E_SECONDARY);
    struct vcd_secondary *made = calloc(1, sizeof *made);
    VCD_CHECK(made != NULL, VCD_E_MEMORY);
    made->compressor = compressor;
    fgk_init(&made->fgk);
    *secondary = made;
    return VCD_OK;
}

void vcd_secondary_free(vcd_secondary *secondary) {
    free(secondary);
}

vcd_error vcd_secondary_decode(vcd_secondary *secondary, const uint8_t *section, size_t size, uint8_t *out,
                               size_t out_size) {
    VCD_CHECK(!secondary->failed, VCD_E_STATE);
    VCD_CHECK(out_size <= VCD_ENCODED_MAX, VCD_E_ARGUMENT);
    secondary->failed = true; /* unless this succeeds */
    VCD_CHECK(out_size > 0, VCD_E_COMPRESSED);
    struct bit_reader in = {.bytes = {section, size}};
    VCD_TRY(secondary->compressor == SECONDARY_DJW ? djw_decode(&in, out, out_size)
                                                   : fgk_decode(&secondary->fgk, &in, out, out_size));
    VCD_CHECK(in.bytes.left == 0, VCD_E_COMPRESSED);
    secondary->failed = false;
    return VCD_OK;
}
