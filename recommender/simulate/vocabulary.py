"""Words, occupations and places that give simulated items and users readable columns."""

from __future__ import annotations

from collections.abc import Mapping

TOPICS = 16  # every vocabulary has this many

# topic -> words of its titles (films) or tags and captions (clips)
FILMS: Mapping[str, str] = {
    "Action": "strike fury bullet rogue force vengeance hunter blade",
    "Adventure": "quest island treasure voyage expedition lost temple horizon",
    "Animation": "tiny toy puppet fox wonder painted acorn whistle",
    "Comedy": "wedding roommates vacation awkward disaster cousin bachelor diner",
    "Crime": "heist alibi verdict gangster syndicate informer evidence district",
    "Documentary": "archive witness planet untold record nation inside lives",
    "Drama": "letters mother silence inheritance promise winter daughter forgiveness",
    "Family": "puppy holiday grandpa treehouse summer school birthday farm",
    "Fantasy": "dragon crown spell realm oracle witch sword prophecy",
    "Horror": "haunted cellar scream curse ritual crawl asylum grave",
    "Music": "stage rhythm encore ballad tour chorus vinyl anthem",
    "Mystery": "cipher locked vanished clue manor shadow stranger mirror",
    "Romance": "kiss hearts paris sunset letters beloved dancing forever",
    "Science Fiction": "orbit android colony signal quantum nebula clone station",
    "Thriller": "hostage pursuit deadline wire paranoia countdown target trap",
    "War": "battalion frontline armistice trench convoy general siege medal",
}
CLIPS: Mapping[str, str] = {
    "beauty": "makeup skincare glow nails lashes tutorial grwm routine",
    "cars": "drift turbo garage detailing engine supercar offroad rims",
    "comedy": "prank skit fail lol relatable impression sketch parody",
    "cooking": "recipe noodles baking airfryer streetfood spicy dessert knife",
    "dance": "choreo dancechallenge shuffle duet hiphop ballet moves freestyle",
    "diy": "craft hack upcycle woodwork glue makeover paint budget",
    "education": "facts history science learn explained math language lesson",
    "fashion": "outfit thrift streetwear sneakers haul lookbook ootd vintage",
    "fitness": "workout gym squats abs yoga running stretch protein",
    "gaming": "speedrun boss ranked clutch minecraft stream glitch loot",
    "music": "cover guitar remix singing beat piano live producer",
    "news": "breaking update election economy report debate city weather",
    "parenting": "toddler newborn bedtime momlife dadjokes lunchbox playtime twins",
    "pets": "kitten puppy rescue parrot hamster zoomies vet cuddle",
    "sports": "goal dunk highlights skate training football match save",
    "travel": "hiddengem beach hostel roadtrip sunset backpack flight mountains",
}
# occupation -> its usual titles and, after the bar, its skills
OCCUPATIONS: Mapping[str, str] = {
    "accounting": "accountant, bookkeeper, payroll clerk, auditor"
    "|quickbooks,gaap,excel,payroll,tax,audit,invoicing,sap",
    "administration": "office assistant, receptionist, executive assistant, data entry clerk"
    "|calendar,typing,filing,word,scheduling,phones,minutes,travel booking",
    "construction": "carpenter, electrician, site foreman, plumber"
    "|blueprints,wiring,framing,osha,concrete,pipefitting,scaffolding,estimating",
    "customer service": "call center agent, customer service representative, support specialist, help desk agent"
    "|zendesk,phones,complaints,ticketing,chat support,crm,billing,empathy",
    "design": "graphic designer, ux designer, illustrator, web designer"
    "|photoshop,figma,typography,branding,wireframes,illustrator,layout,prototyping",
    "education": "teacher, tutor, teaching assistant, school counselor"
    "|lesson planning,classroom,special needs,grading,curriculum,tutoring,literacy,esl",
    "engineering": "mechanical engineer, civil engineer, process engineer, quality engineer"
    "|autocad,solidworks,six sigma,thermodynamics,matlab,tolerancing,hydraulics,testing",
    "food service": "line cook, server, barista, kitchen manager"
    "|food safety,grill,espresso,pos,prep,menu planning,bartending,catering",
    "healthcare": "registered nurse, caregiver, medical assistant, phlebotomist"
    "|cpr,triage,patient care,charting,iv therapy,hipaa,vital signs,medication",
    "human resources": "recruiter, hr generalist, benefits specialist, training coordinator"
    "|sourcing,onboarding,hris,interviewing,benefits,labor law,coaching,compensation",
    "logistics": "truck driver, delivery driver, dispatcher, fleet coordinator"
    "|cdl,routing,dot,gps,loading,dispatch,fuel cards,inventory",
    "marketing": "marketing specialist, content writer, seo analyst, brand manager"
    "|seo,copywriting,google ads,social media,analytics,email campaigns,events,branding",
    "retail": "cashier, store manager, sales associate, merchandiser"
    "|pos,merchandising,inventory,upselling,cash handling,visual display,loss prevention,scheduling",
    "sales": "account executive, sales representative, business developer, account manager"
    "|salesforce,cold calling,negotiation,pipeline,prospecting,closing,crm,forecasting",
    "software": "software developer, data analyst, devops engineer, qa tester"
    "|python,sql,java,aws,docker,javascript,linux,git",
    "warehouse": "forklift operator, order picker, warehouse associate, packer"
    "|forklift,rf scanner,packing,palletizing,inventory,shipping,osha,lifting",
}
SHARED_WORDS = "the my a last big one night day new story life time best world".split()
SENIORITY = ("junior", "associate", "senior", "lead")
EDUCATION = ("none", "bachelor", "master", "doctor")
FIRST_NAMES = (
    "Ada Ben Cleo Dan Elif Finn Gia Hugo Ines Jack Kofi Lena Mei Noah Olga Pia Quinn Ravi Sara Theo Uma Vera Will Yara"
    " Zoe Amir Bela Carl Dina Emil Fay Gus"
).split()
LAST_NAMES = (
    "Abel Bauer Costa Diaz Evans Frost Garcia Hall Ito Jones Kim Lopez Moore Nair Okoye Park Quist Rossi Silva Tan Udo"
    " Vogel Weber Xu Young Zhou Adams Berg Cruz Dunn Engel Fox Gray Hart Iqbal Jung Klein Lund Marsh Noor"
).split()
COUNTRIES = ("US", "IN", "BR", "DE", "GB", "MX", "FR", "JP")
DEVICES = ("phone", "tv", "tablet", "desktop")
AGE_BANDS = ("18-24", "25-34", "35-44", "45-54", "55+")
GENDERS = ("female", "male", "nonbinary")

# city, state, latitude, longitude; drawn by Zipf's law in this order
CITIES = (
    ("New York", "NY", 40.71, -74.01), ("Los Angeles", "CA", 34.05, -118.24), ("Chicago", "IL", 41.88, -87.63),
    ("Houston", "TX", 29.76, -95.37), ("Phoenix", "AZ", 33.45, -112.07), ("Philadelphia", "PA", 39.95, -75.17),
    ("San Antonio", "TX", 29.42, -98.49), ("San Diego", "CA", 32.72, -117.16), ("Dallas", "TX", 32.78, -96.80),
    ("Jacksonville", "FL", 30.33, -81.66), ("Columbus", "OH", 39.96, -83.00), ("Charlotte", "NC", 35.23, -80.84),
    ("Seattle", "WA", 47.61, -122.33), ("Denver", "CO", 39.74, -104.99), ("Boston", "MA", 42.36, -71.06),
    ("Detroit", "MI", 42.33, -83.05), ("Portland", "OR", 45.52, -122.68), ("Memphis", "TN", 35.15, -90.05),
    ("Milwaukee", "WI", 43.04, -87.91), ("Albuquerque", "NM", 35.08, -106.65), ("Sacramento", "CA", 38.58, -121.49),
    ("Atlanta", "GA", 33.75, -84.39), ("Omaha", "NE", 41.26, -95.93), ("Cleveland", "OH", 41.50, -81.69),
)  # fmt: skip
