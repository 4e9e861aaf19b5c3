"""The categories of COCO: id, colour, name.

`PANOPTIC` are the 80 things and 53 merged stuff categories of panoptic_coco_categories.json
(cocodataset/panopticapi; Kirillov et al. 2019). `STUFF` are the 91 stuff categories, ids 92 to 182,
of labels.txt (nightrome/cocostuff; Caesar et al. 2018).
"""

from __future__ import annotations

from atrous.data.layouts.table import parse

STUFF_FROM = 92
_STUFF = """
banner blanket branch bridge building-other bush cabinet cage cardboard carpet ceiling-other
ceiling-tile cloth clothes clouds counter cupboard curtain desk-stuff dirt door-stuff fence
floor-marble floor-other floor-stone floor-tile floor-wood flower fog food-other fruit
furniture-other grass gravel ground-other hill house leaves light mat metal mirror-stuff moss
mountain mud napkin net paper pavement pillow plant-other plastic platform playingfield railing
railroad river road rock roof rug salad sand sea shelf sky-other skyscraper snow solid-other
stairs stone straw structural-other table tent textile-other towel tree vegetable wall-brick
wall-concrete wall-other wall-panel wall-stone wall-tile wall-wood water-other waterdrops
window-blind window-other wood
"""
STUFF = tuple(_STUFF.split())

PANOPTIC = parse(
    """
  1  220  20  60  person
  2  119  11  32  bicycle
  3    0   0 142  car
  4    0   0 230  motorcycle
  5  106   0 228  airplane
  6    0  60 100  bus
  7    0  80 100  train
  8    0   0  70  truck
  9    0   0 192  boat
 10  250 170  30  traffic light
 11  100 170  30  fire hydrant
 13  220 220   0  stop sign
 14  175 116 175  parking meter
 15  250   0  30  bench
 16  165  42  42  bird
 17  255  77 255  cat
 18    0 226 252  dog
 19  182 182 255  horse
 20    0  82   0  sheep
 21  120 166 157  cow
 22  110  76   0  elephant
 23  174  57 255  bear
 24  199 100   0  zebra
 25   72   0 118  giraffe
 27  255 179 240  backpack
 28    0 125  92  umbrella
 31  209   0 151  handbag
 32  188 208 182  tie
 33    0 220 176  suitcase
 34  255  99 164  frisbee
 35   92   0  73  skis
 36  133 129 255  snowboard
 37   78 180 255  sports ball
 38    0 228   0  kite
 39  174 255 243  baseball bat
 40   45  89 255  baseball glove
 41  134 134 103  skateboard
 42  145 148 174  surfboard
 43  255 208 186  tennis racket
 44  197 226 255  bottle
 46  171 134   1  wine glass
 47  109  63  54  cup
 48  207 138 255  fork
 49  151   0  95  knife
 50    9  80  61  spoon
 51   84 105  51  bowl
 52   74  65 105  banana
 53  166 196 102  apple
 54  208 195 210  sandwich
 55  255 109  65  orange
 56    0 143 149  broccoli
 57  179   0 194  carrot
 58  209  99 106  hot dog
 59    5 121   0  pizza
 60  227 255 205  donut
 61  147 186 208  cake
 62  153  69   1  chair
 63    3  95 161  couch
 64  163 255   0  potted plant
 65  119   0 170  bed
 67    0 182 199  dining table
 70    0 165 120  toilet
 72  183 130  88  tv
 73   95  32   0  laptop
 74  130 114 135  mouse
 75  110 129 133  remote
 76  166  74 118  keyboard
 77  219 142 185  cell phone
 78   79 210 114  microwave
 79  178  90  62  oven
 80   65  70  15  toaster
 81  127 167 115  sink
 82   59 105 106  refrigerator
 84  142 108  45  book
 85  196 172   0  clock
 86   95  54  80  vase
 87  128  76 255  scissors
 88  201  57   1  teddy bear
 89  246   0 122  hair drier
 90  191 162 208  toothbrush
 92  255 255 128  banner
 93  147 211 203  blanket
 95  150 100 100  bridge
100  168 171 172  cardboard
107  146 112 198  counter
109  210 170 100  curtain
112   92 136  89  door-stuff
118  218  88 184  floor-wood
119  241 129   0  flower
122  217  17 255  fruit
125  124  74 181  gravel
128   70  70  70  house
130  255 228 255  light
133  154 208   0  mirror-stuff
138  193   0  92  net
141   76  91 113  pillow
144  255 180 195  platform
145  106 154 176  playingfield
147  230 150 140  railroad
148   60 143 255  river
149  128  64 128  road
151   92  82  55  roof
154  254 212 124  sand
155   73  77 174  sea
156  255 160  98  shelf
159  255 255 255  snow
161  104  84 109  stairs
166  169 164 131  tent
168  225 199 255  towel
171  137  54  74  wall-brick
175  135 158 223  wall-stone
176    7 246 231  wall-tile
177  107 255 200  wall-wood
178   58  41 149  water-other
180  183 121 142  window-blind
181  255  73  97  window-other
184  107 142  35  tree-merged
185  190 153 153  fence-merged
186  146 139 141  ceiling-merged
187   70 130 180  sky-other-merged
188  134 199 156  cabinet-merged
189  209 226 140  table-merged
190   96  36 108  floor-other-merged
191   96  96  96  pavement-merged
192   64 170  64  mountain-merged
193  152 251 152  grass-merged
194  208 229 228  dirt-merged
195  206 186 171  paper-merged
196  152 161  64  food-other-merged
197  116 112   0  building-other-merged
198    0 114 143  rock-merged
199  102 102 156  wall-other-merged
200  250 141 255  rug-merged
"""
)
