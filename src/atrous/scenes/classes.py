"""The classes of the built-in scenes; a class's id is its place."""

CLASSES = (
    "sky",
    "building",
    "road",
    "pavement",
    "grass",
    "vegetation",
    "vehicle",
    "person",
    "pole",
    "sign",
)
SKY, BUILDING, ROAD, PAVEMENT, GRASS, VEGETATION, VEHICLE, PERSON, POLE, SIGN = range(10)
