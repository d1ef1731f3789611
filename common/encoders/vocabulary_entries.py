"""The entries of the zero-shot vocabulary, as rows of text.

A row is: key | English label | Korean label | English phrases | Korean phrases | more forms. Phrases
fill the prompts and name the tag in a query; the forms only name it. They are separated by ";".
An article at the start of an English phrase is for the prompt only. After a Korean form that ends
in "~" (a stem) anything may follow, after another only particles. A space in a Korean form may
be left out, or be a particle ("손 흔드~" is 손을 흔드는 and 손흔들며 too, with 흔들~ beside it).

Phrases of emotions and actions follow "someone" and precede "사람"; the others are things.
"""

# ruff: noqa: E501 - a row is a tag
from __future__ import annotations

from typing import Final

EMOTION: Final = """
crying | Crying | 울음 | crying; in tears; weeping | 우는~; 눈물 흘리는~; 울고 있는~ | cry; cries; cried; sobbing; tearful; teary; 눈물; 울음; 울고~; 울어~; 울었~; 울며~; 울던~; 운다; 울먹~; 흐느끼~; 펑펑 울~
laughing | Laughing | 웃음 | laughing; laughing out loud | 크게 웃는~; 폭소하는~; 웃음을 터뜨린~ | laugh; laughs; laughed; laughter; giggling; giggle; 웃는~; 웃고~; 웃어~; 웃었~; 웃으~; 웃던~; 웃음; 웃음소리; 깔깔~; 폭소
smiling | Smiling | 미소 | smiling; with a smile | 미소 짓는~; 미소를 띤~; 방긋 웃는~ | smile; smiles; smiled; grinning; grin; 미소; 미소짓~; 싱글벙글~; 빙그레~; 활짝 웃~; 환하게 웃~
happy | Happy | 행복 | happy; joyful; cheerful | 행복한~; 기뻐하는~; 즐거운~ | happiness; joy; glad; delighted; 행복하~; 행복해~; 기쁜~; 기뻐~; 기쁨; 즐거워~; 즐겁~
sad | Sad | 슬픔 | sad; unhappy; looking sad | 슬픈~; 슬퍼하는~; 우울한~ | sadness; depressed; 슬퍼~; 슬프~; 슬픔; 우울해~
angry | Angry | 화남 | angry; furious; yelling in anger | 화난~; 화내는~; 분노한~ | anger; mad at; shouting; yelling; 화나~; 화났~; 화를 내~; 분노; 짜증~; 소리 지르~; 소리치~
surprised | Surprised | 놀람 | surprised; astonished; shocked | 놀란~; 깜짝 놀란~; 충격받은~ | surprise face; amazed; startled; 놀라는~; 놀라서~; 놀랐~; 놀람; 깜짝~
scared | Scared | 무서움 | scared; afraid; frightened | 무서워하는~; 겁먹은~; 겁에 질린~ | fearful; terrified; 무서운~; 무서워~; 겁나~
tired | Tired | 피곤함 | tired; exhausted; yawning | 피곤한~; 지친~; 하품하는~ | yawn; yawns; sleepy; 피곤해~; 하품~; 졸린~; 지쳐~
excited | Excited | 신남 | excited; cheering; celebrating | 신난~; 환호하는~; 들뜬~ | cheer; cheers; cheered; celebration; 신나~; 환호~; 응원~; 열광~
"""

ACTION: Final = """
hugging | Hugging | 포옹 | hugging; embracing; cuddling | 껴안는~; 포옹하는~; 안아 주는~ | hug; hugs; hugged; embrace; embraces; cuddle; 껴안~; 포옹; 끌어안~; 안아~; 안긴~; 안겨~
kissing | Kissing | 입맞춤 | kissing; giving a kiss | 키스하는~; 뽀뽀하는~; 입 맞추는~ | kiss; kisses; kissed; 키스; 뽀뽀; 입맞춤; 입 맞춤
dancing | Dancing | 춤 | dancing; doing a dance | 춤추는~; 춤을 추고 있는~; 댄스하는~ | dance; dances; danced; dancer; dancers; 춤; 춤추~; 춤 추~; 춤춰~; 댄스; 군무; 발레
singing | Singing | 노래 | singing; singing a song | 노래하는~; 노래 부르는~; 노래하고 있는~ | sing; sings; sang; karaoke; 노래; 노래 부르~; 노래 불러~; 노래방; 합창
running | Running | 달리기 | running; jogging; sprinting | 달리는~; 뛰는~; 조깅하는~ | run; runs; ran; runner; runners; jog; jogger; marathon; 달리기; 달리고~; 달려~; 뛰어가~; 뛰어다니~; 뛰고~; 조깅; 마라톤
walking | Walking | 걷기 | walking; taking a walk; strolling | 걷는~; 걸어가는~; 산책하는~ | walk; walks; walked; stroll; 걷기; 걷고~; 걸어가~; 걸어오~; 걸어서; 걸음마; 산책; 거닐~
jumping | Jumping | 점프 | jumping; leaping in the air | 점프하는~; 뛰어오르는~; 폴짝 뛰는~ | jump; jumps; jumped; leap; leaps; hopping; trampoline; 점프; 뛰어오르~; 폴짝~; 깡충~; 방방 뛰~; 줄넘기
waving | Waving | 손 흔들기 | waving a hand; waving goodbye; waving hello | 손 흔드는~; 손을 흔들며 인사하는~; 손 흔들어 주는~ | waving; wave goodbye; wave hello; waves goodbye; waves hello; wave a hand; waves at; wave at; waved at; waving hands; 손 흔드~; 손 흔들~
clapping | Clapping | 박수 | clapping; applauding | 박수 치는~; 손뼉 치는~ | clap; claps; clapped; applause; 박수; 손뼉
holding_hands | Holding hands | 손잡기 | holding hands; hand in hand | 손잡은~; 손을 잡고 있는~; 손잡고 걷는~ | hold hands; holds hands; holding hand; 손 잡~
eating | Eating | 먹기 | eating; having a meal; eating food | 먹는~; 식사하는~; 음식을 먹고 있는~ | eat; eats; ate; meal; dinner; lunch; breakfast; mukbang; 먹고~; 먹어~; 먹었~; 먹방; 먹으~; 식사; 밥 먹~; 냠냠~
drinking | Drinking | 마시기 | drinking; taking a sip | 마시는~; 음료를 마시고 있는~ | drink; drinks; drank; sipping; sip; 마시고~; 마셔~; 마셨~; 마시며~; 마신~
toasting | Toast | 건배 | raising glasses in a toast; clinking glasses | 건배하는~; 잔을 부딪치는~ | making a toast; clink glasses; bottoms up; 건배
cooking | Cooking | 요리 | cooking; preparing food; frying food | 요리하는~; 음식을 만드는~; 고기를 굽는~ | cook; cooks; cooked; chef; baking; frying; grilling; 요리; 요리사; 굽는~; 볶는~; 끓이는~; 튀기는~; 썰고~; 김장
sleeping | Sleeping | 잠 | sleeping; asleep; taking a nap | 자는~; 잠든~; 낮잠 자는~ | sleep; sleeps; slept; nap; napping; 자고 있~; 잠자는~; 잠든~; 잠들~; 낮잠; 늦잠; 쿨쿨~; 잠자~
reading | Reading | 독서 | reading; reading a book | 책 읽는~; 독서하는~; 신문 읽는~ | read a book; reads a book; 독서; 읽는~; 읽고~; 책 읽~
writing | Writing | 글쓰기 | writing; writing with a pen | 글 쓰는~; 필기하는~; 펜으로 쓰는~ | write; writes; handwriting; 글쓰기; 글씨 쓰~; 필기; 손글씨; 편지 쓰~
drawing | Drawing | 그림 그리기 | drawing a picture; painting a picture; sketching | 그림 그리는~; 스케치하는~; 색칠하는~ | drawing; painting; draw; draws; paint; paints; 그림 그리~; 그림 그려~; 색칠; 스케치
talking | Talking | 대화 | talking; having a conversation; chatting | 대화하는~; 이야기하는~; 수다 떠는~ | talk; talks; chat; conversation; interview; 대화; 이야기 나누~; 얘기하~; 이야기하~; 수다; 인터뷰; 말하는~
phoning | On the phone | 통화 | talking on the phone; making a phone call | 전화하는~; 통화하는~; 전화 받는~ | phone call; on the phone; video call; 전화 걸~; 전화 받~; 통화; 영상통화; 전화하~
photographing | Taking photos | 사진 촬영 | taking a photo; taking a selfie; filming with a camera | 사진 찍는~; 셀카 찍는~; 촬영하는~ | take a photo; take photos; taking photos; taking pictures; photographing; photographer; selfie; selfies; filming; 사진 찍~; 사진 촬영; 셀카; 셀피; 촬영하~; 찍고 있~
driving | Driving | 운전 | driving; driving a car; behind the wheel | 운전하는~; 차를 모는~; 운전대를 잡은~ | drive; drives; drove; driver; 운전; 운전석; 운전사; 드라이브
cycling | Cycling | 자전거 타기 | cycling; riding a bicycle; riding a bike | 자전거 타는~; 자전거 타고 가는~ | cyclist; cyclists; ride a bike; rides a bike; ride a bicycle; 자전거 타~; 사이클링; 라이딩
swimming | Swimming | 수영 | swimming; diving into water | 수영하는~; 헤엄치는~; 물놀이하는~ | swim; swims; swam; swimmer; snorkeling; snorkelling; 수영; 헤엄~; 물놀이; 스노클링; 다이빙
surfing | Surfing | 서핑 | surfing; riding a wave on a surfboard | 서핑하는~; 파도 타는~ | surf; surfer; surfers; surfboard; 서핑; 서퍼; 파도타기; 서프보드
skiing | Skiing | 스키 | skiing; snowboarding; sledding | 스키 타는~; 스노보드 타는~; 썰매 타는~ | ski; skis; skier; snowboard; snowboarder; sled; sledge; 스키; 스키장; 스노보드; 보드 타~; 썰매; 눈썰매
hiking | Hiking | 등산 | hiking; climbing a mountain; trekking | 등산하는~; 산에 오르는~; 하이킹하는~ | hike; hikes; hiker; hikers; mountain climbing; 등산; 등산객; 등산로; 하이킹; 트레킹
fishing | Fishing | 낚시 | fishing; catching a fish | 낚시하는~; 물고기 잡는~ | fisherman; fishing rod; 낚시; 낚시꾼; 낚싯대
exercising | Exercising | 운동 | exercising; working out; lifting weights | 운동하는~; 헬스하는~; 근력 운동하는~ | exercise; workout; work out; push-ups; gym; fitness; 운동; 헬스; 헬스장; 스트레칭; 요가; yoga;  팔굽혀펴기; 필라테스; 체조
soccer | Football | 축구 | playing football; playing soccer; kicking a ball | 축구하는~; 공 차는~; 드리블하는~ | football; soccer; footballer; soccer ball; goal kick; 축구; 축구공; 축구 경기; 축구 선수; 풋살
basketball | Basketball | 농구 | playing basketball; shooting a basketball | 농구하는~; 슛 던지는~ | basketball; basketballs; slam dunk; 농구; 농구공; 농구장; 덩크슛
baseball | Baseball | 야구 | playing baseball; swinging a baseball bat | 야구하는~; 야구 방망이를 휘두르는~ | baseball; baseballs; 야구; 야구장; 야구공; 홈런
fighting | Fighting | 싸움 | fighting; boxing; wrestling | 싸우는~; 격투하는~; 권투하는~ | fight; fights; fought; martial arts; taekwondo; 싸움; 싸우~; 싸웠~; 몸싸움; 권투; 복싱; 태권도; 격투기
playing_guitar | Playing guitar | 기타 연주 | playing the guitar; strumming a guitar | 기타 치는~; 기타를 연주하는~ | guitar; guitars; guitarist; play guitar; playing guitar; 기타 치~; 기타 연주; 통기타; 우쿨렐레
playing_piano | Playing piano | 피아노 연주 | playing the piano; at a piano keyboard | 피아노 치는~; 피아노를 연주하는~ | piano; pianos; pianist; play piano; playing piano; 피아노; 피아노 치~
playing_instrument | Playing music | 악기 연주 | playing the violin; playing the drums; playing a musical instrument | 악기 연주하는~; 바이올린 켜는~; 드럼 치는~ | violin; cello; drums; drummer; flute; trumpet; orchestra; 바이올린; 드럼; 첼로; 플루트; 오케스트라; 악기; 연주
gaming | Playing video games | 게임 | playing a video game; holding a game controller | 게임하는~; 게임기를 잡은~ | video game; video games; gamer; gaming; 게임; 게임기; 오락실; 비디오 게임
cleaning | Cleaning | 청소 | cleaning; sweeping the floor; washing dishes | 청소하는~; 설거지하는~; 빨래하는~ | vacuuming; mopping; doing laundry; laundry; washing the dishes; 청소; 청소기; 설거지; 빨래; 걸레질
washing | Washing | 씻기 | taking a bath; washing hands; taking a shower | 목욕하는~; 손 씻는~; 세수하는~ | bathing; shower; bathtub; bubble bath; wash hands; 목욕; 샤워; 세수; 욕조; 씻는~; 씻고~; 머리 감~
makeup | Putting on make-up | 화장 | putting on make-up; applying lipstick | 화장하는~; 립스틱 바르는~ | makeup; make-up; lipstick; mascara; 화장하~; 메이크업; 립스틱
presenting | Presenting | 발표 | giving a presentation; giving a speech; giving a lecture | 발표하는~; 연설하는~; 강의하는~ | presentation; presentations; lecture; speech; presenter; 발표; 연설; 강의; 강연; 프레젠테이션
opening_gift | Opening a gift | 선물 풀기 | opening a gift; unwrapping a present; unboxing | 선물 푸는~; 포장을 뜯는~; 언박싱하는~ | open a gift; opens a gift; opening presents; opening gifts; 선물 풀~; 선물 열~; 언박싱; 포장 뜯~
blowing_candles | Blowing out candles | 촛불 끄기 | blowing out candles; blowing out birthday candles | 촛불 끄는~; 촛불을 부는~ | blow out candles; blows out candles; blowing candles; 촛불 끄~; 촛불 불~; 촛불을 후~
crawling | Crawling | 기어가기 | crawling; crawling on hands and knees | 기어가는~; 기어다니는~ | crawl; crawls; crawled; 기어가~; 기어다니~; 기어 다니~; 기어오~
falling | Falling down | 넘어짐 | falling down; tripping over | 넘어지는~; 미끄러지는~; 쓰러진~ | fall down; falls down; fell down; slipping; 넘어지~; 넘어져~; 넘어졌~; 미끄러지~; 미끄러져~; 쓰러지~; 쓰러졌~
feeding | Feeding | 먹이 주기 | feeding an animal; feeding a baby | 먹이 주는~; 아기에게 밥을 먹이는~ | feeding; feeds; 먹이 주~; 이유식; 분유; 먹이 줬~
"""

SETTING: Final = """
beach | Beach | 해변 | a beach; a sandy beach; the seaside | 해변; 바닷가; 모래사장 | seashore; shore; 해수욕장; 백사장; 해안
sea | Sea | 바다 | the sea; the ocean; ocean waves | 바다; 푸른 바다; 파도치는 바다 | sea; ocean; waves crashing; 파도; 바다 위; 바닷속; 밤바다; 해양; 수평선
mountain | Mountain | 산 | a mountain; mountains; a mountain peak | 산 풍경; 산꼭대기; 산봉우리 | hill; hills; hilltop; 산에; 산에서; 산속; 산 위; 산 정상; 산길; 산골; 언덕; 설악산; 한라산; 북한산; 지리산
forest | Forest | 숲 | a forest; the woods; a forest path | 숲; 숲속; 숲길 | jungle; woodland; 수풀; 정글; 삼림욕; 수목원
river | River | 강 | a river; a stream; a riverside | 강 풍경; 강가; 강변 | creek; riverbank; 한강; 한강공원; 강물; 강에서; 강 위; 시냇물; 냇가; 계곡; 개울
field | Field | 들판 | a field; a meadow; a farm | 들판; 초원; 농장 | farmland; grassland; countryside; rice paddy; lawn; 논; 논밭; 밭에서; 잔디밭; 풀밭; 꽃밭; 목장; 시골
park | Park | 공원 | a park; a city park; a park bench | 공원; 동네 공원; 공원 벤치 | 산책로
playground | Playground | 놀이터 | a playground; a slide and swings; children on a playground | 놀이터; 미끄럼틀; 그네 | swings; seesaw; sandbox; 시소; 모래놀이; 정글짐
amusement_park | Amusement park | 놀이공원 | an amusement park; a roller coaster; a Ferris wheel | 놀이공원; 롤러코스터; 관람차 | theme park; merry-go-round; carousel; 놀이동산; 회전목마; 대관람차; 놀이기구; 에버랜드; 롯데월드
zoo | Zoo | 동물원 | a zoo; animals in a zoo | 동물원; 동물원 우리 | safari; 사파리
street | Street | 거리 | a street; a street in a town; an alley | 거리 풍경; 길거리; 골목길 | streets; roadside; sidewalk; pavement; crosswalk; 거리에서; 골목; 횡단보도; 인도 위; 밤거리; 시내
city | City | 도시 | a city; a city skyline; tall buildings | 도시; 도시 전경; 고층 빌딩 | downtown; skyscraper; skyscrapers; cityscape; 도심; 야경 도시; 빌딩 숲; 빌딩; 시가지; 서울 시내
market | Market | 시장 | a market; a street market; market stalls | 시장; 전통 시장; 노점 | food stall; night market; 재래시장; 야시장; 수산시장; 포장마차; 노점상
shop | Shop | 가게 | a shop; a supermarket; a shopping mall | 가게; 마트; 백화점 | store; convenience store; mall; 상점; 편의점; 슈퍼마켓; 쇼핑몰; 매장; 서점
restaurant | Restaurant | 식당 | a restaurant; a dining room; a table in a restaurant | 식당; 음식점; 레스토랑 | diner; 고깃집; 맛집; 횟집; 뷔페; 분식집
cafe | Café | 카페 | a café; a coffee shop | 카페; 커피숍; 카페 내부 | cafe; bakery; 찻집; 빵집; 커피 전문점
kitchen | Kitchen | 부엌 | a kitchen; a kitchen counter | 부엌; 주방; 싱크대 | stove; oven; 가스레인지; 오븐; 조리대
living_room | Living room | 거실 | a living room; a sofa in a living room | 거실; 거실 소파 | sofa; couch; 소파; 마루
bedroom | Bedroom | 침실 | a bedroom; a bed | 침실; 침대; 침대가 있는 방 | bed; beds; 이불; 침대 위; 안방
bathroom | Bathroom | 욕실 | a bathroom; a toilet | 욕실; 화장실; 세면대 | restroom; washroom; 변기
office | Office | 사무실 | an office; a meeting room | 사무실; 회의실; 회사 사무실 | workplace; conference room; meeting; 회의; 미팅; 오피스
classroom | Classroom | 교실 | a classroom; a school; a lecture hall | 교실; 학교; 강의실 | kindergarten; school; blackboard; graduation; 유치원; 어린이집; 학원; 칠판; 교탁; 운동장; 졸업식; 입학식
hospital | Hospital | 병원 | a hospital; a hospital room; a doctor with a patient | 병원; 병실; 진료실 | clinic; doctor; doctors; nurse; nurses; patient; 의사; 간호사; 환자; 응급실; 수술실; 치과
temple | Temple | 사찰 | a temple; a palace; a traditional Korean building | 절 건물; 궁궐; 한옥 | pagoda; shrine; hanok; 사찰; 절에서; 경복궁; 고궁; 불상; 한옥마을; 절간
airport | Airport | 공항 | an airport; an airport terminal | 공항; 공항 터미널; 인천공항 | runway; check-in counter; 활주로; 출국장; 입국장; 김포공항
pool | Swimming pool | 수영장 | a swimming pool; a water park | 수영장; 워터파크; 실내 수영장 | pool; pools; 풀장; 온천; 풀빌라
stadium | Stadium | 경기장 | a stadium; a sports field with spectators | 경기장; 스타디움; 관중석 | arena; spectators; 축구장; 관중; 잠실구장; 월드컵 경기장
stage | Stage | 무대 | a stage; performers on a stage; a theatre | 무대; 공연 무대; 극장 | performance; theater; theatre; musical; play rehearsal; 공연; 공연장; 뮤지컬; 연극; 무대 위; 재롱잔치; 학예회
concert | Concert | 콘서트 | a concert; a music festival; a band in concert | 콘서트; 음악 축제; 라이브 공연 | gig; live music; festival; band; 공연 실황; 페스티벌; 축제; 음악회; 밴드; 팬미팅; 떼창
wedding | Wedding | 결혼식 | a wedding; a bride and groom; a wedding ceremony | 결혼식; 신랑 신부; 웨딩 | bride; groom; wedding dress; 신부; 신랑; 웨딩드레스; 예식장; 결혼; 부케; 주례
birthday | Birthday | 생일 파티 | a birthday party; a birthday celebration | 생일 파티; 생일잔치; 생일 축하 | birthday; birthdays; 생일; 생일날; 돌잔치; 돌잡이; 환갑
party | Party | 파티 | a party; people at a party | 파티; 잔치; 파티장 | parties; 회식; 송년회; 집들이; 뒤풀이
christmas | Christmas | 크리스마스 | Christmas; a Christmas tree; Santa Claus | 크리스마스; 크리스마스트리; 산타클로스 | xmas; santa; christmas eve; 성탄절; 산타; 산타 할아버지; 크리스마스이브
camping | Camping | 캠핑 | a campsite; a tent; a campfire | 캠핑장; 텐트; 모닥불 | camping; tents; bonfire; picnic; 캠핑; 캠프파이어; 야영; 소풍; 피크닉; 돗자리; 차박; 글램핑; 불멍
snow | Snow | 눈 | snow; falling snow; a snowy landscape | 눈 오는 날; 눈 덮인 풍경; 눈 내리는 풍경 | snowy; snowing; snowfall; snowflake; snowball; snowman; blizzard; 눈 오~; 눈 온~; 눈 내리~; 눈 내린~; 눈 덮~; 눈 쌓~; 눈사람; 눈싸움; 눈밭; 눈보라; 함박눈; 첫눈; 폭설; 설경; 설원
rain | Rain | 비 | rain; heavy rain; a rainy day | 비 오는 날; 비 내리는 풍경; 빗속 | rainy; raining; rained; rainstorm; thunderstorm; puddle; 비 오~; 비 온~; 비 내리~; 비 내린~; 비 맞~; 빗물; 빗길; 빗방울; 소나기; 폭우; 장마; 장맛비; 비바람; 물웅덩이
fog | Fog | 안개 | fog; mist; a foggy morning | 안개; 안개 낀 아침; 물안개 | foggy; misty; haze; 안개 낀~
sky | Sky | 하늘 | the sky; clouds; a cloudy sky | 하늘; 구름; 구름 낀 하늘 | sky; skies; cloud; cloudy; 먹구름; 뭉게구름; 하늘 위; 밤하늘; 맑은 하늘
autumn | Autumn leaves | 단풍 | autumn leaves; fall foliage | 단풍; 단풍나무; 낙엽 | autumn; fall leaves; foliage; 가을 단풍; 은행잎; 단풍놀이; 단풍잎
cherry_blossom | Cherry blossom | 벚꽃 | cherry blossoms; a blooming cherry tree | 벚꽃; 벚나무; 활짝 핀 벚꽃 | cherry blossom; 벚꽃놀이; 벚꽃길
"""

LIGHT: Final = """
red | Red | 빨간색 | something red; red colours | 빨간 물건; 붉은색 |
orange | Orange | 주황색 | something orange; orange colours | 주황색 물건; 주황빛 |
yellow | Yellow | 노란색 | something yellow; yellow colours | 노란 물건; 노란빛 |
green | Green | 초록색 | something green; green colours | 초록색 물건; 초록빛 |
teal | Teal | 청록색 | something teal; turquoise colours | 청록색 물건; 옥색 |
light_blue | Light blue | 하늘색 | something light blue; pale blue colours | 하늘색 물건; 하늘빛 |
blue | Blue | 파란색 | something blue; blue colours | 파란 물건; 청색 |
navy | Navy | 남색 | something navy blue; dark blue colours | 남색 물건; 네이비색 |
purple | Purple | 보라색 | something purple; violet colours | 보라색 물건; 보랏빛 |
pink | Pink | 분홍색 | something pink; pink colours | 분홍색 물건; 핑크빛 |
brown | Brown | 갈색 | something brown; brown colours | 갈색 물건; 밤색 |
beige | Beige | 베이지색 | something beige; cream colours | 베이지색 물건; 살구색 |
black | Black | 검은색 | something black; black colours | 검은 물건; 검정색 |
grey | Grey | 회색 | something grey; grey colours | 회색 물건; 잿빛 |
white | White | 흰색 | something white; white colours | 흰 물건; 하얀색 |
dark | Dark | 어두움 | a dark scene; darkness | 어두운 장면; 어둠 |
night | Night | 밤 | a scene at night; midnight | 밤 풍경; 야경; 한밤중 |
bright | Bright | 밝음 | a bright scene; a brightly lit place | 밝은 장면; 환한 곳 |
day | Day | 낮 | a scene in daylight; a sunny scene | 낮 풍경; 햇살; 화창한 날 |
sunset | Sunset | 노을 | a sunset; a sunrise; dusk | 노을; 일몰; 해돋이 |
neon | Neon lights | 네온 | neon lights; glowing neon | 네온; 네온사인; 네온 불빛 |
vivid | Colourful | 알록달록 | a colourful scene; vivid colours | 알록달록한 장면; 형형색색; 다채로운 색 |
monochrome | Black and white | 흑백 | a black and white picture; a monochrome picture | 흑백; 흑백 장면 |
candlelight | Candlelight | 촛불 | candlelight; burning candles | 촛불; 켜진 양초; 촛불 조명 | candle; candles; 양초; 촛대
fireworks | Fireworks | 불꽃놀이 | fireworks; exploding fireworks; sparklers | 불꽃놀이; 폭죽; 불꽃 축제 | firework; firecracker; sparkler
stage_lights | Stage lights | 무대 조명 | stage lights; a spotlight; laser lights | 무대 조명; 스포트라이트; 레이저 조명 | spotlights; disco lights; 조명 쇼; 미러볼
silhouette | Silhouette | 실루엣 | a silhouette; a backlit figure | 실루엣; 역광 | silhouettes; backlit; backlight; 그림자
moonlight | Moon | 달 | the moon; a full moon; moonlight | 보름달; 달빛; 하늘에 뜬 달 | moon; crescent; moonlit; 초승달; 반달; 둥근 달
rainbow | Rainbow | 무지개 | a rainbow; a rainbow after rain | 무지개; 쌍무지개 | rainbows; 무지갯빛
"""

OBJECT: Final = """
man | Man | 남자 | a man; a young man | 남자; 남성; 아저씨 | guy; men; boyfriend; husband; dad; father; 남자들; 남편; 남자친구; 남친; 아빠; 아버지; 총각; 삼촌
woman | Woman | 여자 | a woman; a young woman | 여자; 여성; 아주머니 | women; lady; girlfriend; wife; mom; mum; mother; 여자친구; 여친; 아내; 엄마; 어머니; 아줌마; 이모
baby | Baby | 아기 | a baby; an infant; a newborn baby | 아기; 갓난아기; 신생아 | babies; newborn; toddler; 아가; 애기; 젖먹이; 영아
child | Child | 아이 | a child; a boy; a girl | 아이; 어린이; 꼬마 | children; kid; kids; boys; girls; son; daughter; 아이들; 애들; 소년; 소녀; 아들; 딸; 남자아이; 여자아이; 초등학생
elderly | Elderly person | 어르신 | an elderly person; an old man; an old woman | 어르신; 할머니; 할아버지 | elderly; grandmother; grandfather; grandma; grandpa; grandparents; 노인; 할배; 할매; 조부모
couple | Couple | 연인 | a couple; a couple in love | 연인; 커플; 부부 | couples; lovers; 신혼부부; 노부부
crowd | Crowd | 군중 | a crowd of people; a large audience | 군중; 인파; 많은 사람들 | crowd; crowds; audience; crowded; 관객; 관중들; 청중; 사람들 무리
face | Face close-up | 얼굴 | a close-up of a face; a portrait | 얼굴; 얼굴 클로즈업; 인물 | portrait; portraits; close-up; face; faces; 인물 사진; 클로즈업; 초상화; 증명사진
dog | Dog | 강아지 | a dog; a puppy | 강아지; 개 한 마리; 반려견 | dogs; puppies; doggy; retriever; poodle; 멍멍이; 댕댕이; 애견; 개가; 개와; 개는; 개랑; 개를; 개한테; 진돗개; 푸들; 리트리버; 말티즈; 시바견; 큰 개
cat | Cat | 고양이 | a cat; a kitten | 고양이; 새끼 고양이; 반려묘 | cats; kittens; kitty; 냥이; 야옹이; 길고양이; 고냥이
bird | Bird | 새 | a bird; birds flying; a parrot | 새 한 마리; 앵무새; 날아가는 새 | birds; seagull; seagulls; pigeon; pigeons; duck; ducks; chicken coop; swan; penguin; 갈매기; 비둘기; 오리; 병아리; 참새; 까치; 펭귄; 철새; 새들; 새들이
fish | Fish | 물고기 | a fish; fish under water | 물고기; 열대어; 금붕어 | fishes; goldfish; shark; whale; dolphin; 상어; 고래; 돌고래; 해파리; 거북이
horse | Horse | 말 | a horse; a pony | 말 한 마리; 조랑말; 망아지 | horses; ponies; foal; 경마; 백마
farm_animal | Farm animal | 가축 | a cow; a sheep; a pig | 젖소; 양 떼; 돼지 | cows; pigs; goat; goats; lamb; hen; rooster; cattle; 송아지; 염소; 닭; 가축; 황소; 한우 농장; 양떼
wild_animal | Wild animal | 야생 동물 | a lion; an elephant; a bear | 사자; 코끼리; 곰 한 마리 | lions; elephants; bears; tiger; tigers; giraffe; monkey; monkeys; panda; zebra; deer; fox; wolf; 호랑이; 기린; 원숭이; 판다; 얼룩말; 사슴; 여우; 늑대; 북극곰; 야생동물
car | Car | 자동차 | a car; a car on the road | 자동차; 승용차; 자동차 한 대 | cars; taxi; taxis; suv; sports car; 차; 차 안; 차량; 택시; 스포츠카; 승합차; 트렁크; 자가용; 달리는 차; 달리는 자동차; running car; moving car
bus | Bus | 버스 | a bus; a bus on the street | 버스; 시내버스; 고속버스 | buses; school bus; 버스들; 관광버스; 스쿨버스; 마을버스; 달리는 버스
truck | Truck | 트럭 | a truck; a lorry; a fire engine | 트럭; 화물차; 소방차 | trucks; fire truck; ambulance; excavator; tractor; 구급차; 굴착기; 포클레인; 트랙터; 앰뷸런스
motorcycle | Motorcycle | 오토바이 | a motorcycle; a scooter | 오토바이; 스쿠터; 전동 킥보드 | motorcycles; motorbike; scooters; 킥보드; 바이크; 달리는 오토바이
bicycle | Bicycle | 자전거 | a bicycle; a bike | 자전거; 자전거 한 대 | bicycles; bikes; 두발자전거; 세발자전거; 따릉이
train | Train | 기차 | a train; a subway train | 기차; 열차; 지하철 | trains; subway; metro; tram; ktx; 전철; 전동차; 기관차; 달리는 기차; 달리는 열차
airplane | Airplane | 비행기 | an airplane; a plane in the sky; a helicopter | 비행기; 여객기; 헬리콥터 | plane; planes; airplanes; aircraft; helicopters; drone; drones; hot-air balloon; 헬기; 드론; 열기구; 비행기 창밖; 기내
boat | Boat | 배 | a boat; a ship; a yacht | 보트; 유람선; 요트 | boats; ships; ferry; cruise ship; sailboat; kayak; canoe; 배 타~; 배 위에서; 선박; 여객선; 크루즈; 카약; 돛단배; 고깃배
cake | Cake | 케이크 | a cake; a birthday cake; a cake with candles | 케이크; 생일 케이크; 촛불 꽂은 케이크 | cakes; cupcake; cupcakes; birthday cakes; 케익; 생일 케익; 컵케이크; 웨딩 케이크
food | Food | 음식 | food on a plate; a table full of food | 음식; 차려진 음식; 상차림 | food; foods; dish of food; hot dog; hamburger; burger; pizza; sandwich; salad; soup; 밥상; 피자; 햄버거; 샌드위치; 샐러드; 도시락; 치킨; 반찬; 한식
korean_food | Korean food | 한국 음식 | Korean food; kimchi; bibimbap | 한국 음식; 김치; 비빔밥 | tteokbokki; gimbap; kimbap; bulgogi; 떡볶이; 김밥; 불고기; 찌개; 된장찌개; 김치찌개; 떡국; 송편; 전통 음식; 삼계탕
noodles | Noodles | 국수 | noodles; a bowl of ramen; pasta | 국수; 라면; 파스타 | noodle; ramen; ramyeon; spaghetti; 스파게티; 냉면; 짜장면; 칼국수; 우동; 짬뽕; 컵라면
meat | Meat | 고기 | meat on a grill; a barbecue; a steak | 고기; 삼겹살; 바비큐 | meat; barbecue; bbq; steak; steaks; 스테이크; 갈비; 고기 굽~; 소고기; 돼지고기; 숯불
fruit | Fruit | 과일 | fruit; apples; strawberries | 과일; 사과; 딸기 | fruits; apple; strawberry; banana; bananas; watermelon; grapes; peach; oranges; 바나나; 수박; 포도; 복숭아; 귤; 참외; 과수원
ice_cream | Ice cream | 아이스크림 | ice cream; an ice cream cone | 아이스크림; 빙수 | ice creams; popsicle; gelato; 팥빙수; 젤라토; 소프트콘
coffee | Coffee | 커피 | a cup of coffee; a cup of tea | 커피; 커피 한 잔; 차 한 잔 | coffee; latte; espresso; teacup; 라테; 라떼; 아메리카노; 찻잔; 녹차; 홍차; 차 마시~
flower | Flower | 꽃 | a flower; a bouquet of flowers | 꽃; 꽃다발; 꽃송이 | flowers; bouquet; rose; roses; tulip; tulips; sunflower; sunflowers; 장미; 튤립; 해바라기; 코스모스; 유채꽃; 개나리; 진달래; 꽃병; 국화
balloon | Balloon | 풍선 | a balloon; balloons | 풍선; 헬륨 풍선 | 풍선들; 풍선 아트
gift | Gift | 선물 | a gift; a wrapped present; a gift box | 선물; 선물 상자; 포장된 선물 | gifts; presents; 선물들; 택배 상자
toy | Toy | 장난감 | a toy; toy blocks; a toy car | 장난감; 블록 장난감; 장난감 자동차 | toys; lego; puzzle; board game; playing with toy; 레고; 퍼즐; 보드게임; 로봇 장난감
doll | Doll | 인형 | a doll; a teddy bear; a stuffed animal | 인형; 곰 인형; 봉제 인형 | dolls; teddy; plush toy; stuffed animals; 곰인형; 인형들
ball | Ball | 공 | a ball; someone throwing a ball | 공; 공놀이; 공 던지는 모습 | balls; bouncy ball; 공 던지~; 비치볼; 탱탱볼
phone | Phone | 휴대전화 | a mobile phone; a smartphone | 휴대전화; 스마트폰; 핸드폰 | phone; phones; smartphone; smartphones; cell phone; iphone; 휴대폰; 아이폰; 폰 화면; 전화기
computer | Computer | 컴퓨터 | a computer; a laptop; a computer keyboard | 컴퓨터; 노트북; 키보드 | computers; laptops; tablet; ipad; 태블릿; 아이패드; 모니터; 피시방; 마우스
television | Television | 텔레비전 | a television; someone watching TV | 텔레비전; 티브이; TV | tv; tvs; televisions; watching tv; tv 보~; 티비
screen | Screen | 화면 | a screen; text on a screen; a screen recording | 화면; 화면 속 글자; 화면 녹화 | screens; screenshot; slideshow; slides; projector; 스크린; 스크린샷; 슬라이드; 프로젝터; 전광판; 자막
sign | Sign | 간판 | a sign; a shop sign; a road sign | 간판; 표지판; 안내판 | signs; signboard; billboard; banner; street sign; 현수막; 플래카드; 도로 표지판; 이정표; 광고판
document | Document | 문서 | a document; handwritten notes; a sheet of paper | 문서; 메모; 종이 한 장 | documents; receipt; certificate; 서류; 영수증; 상장; 성적표; 계약서; 쪽지
book | Book | 책 | a book; an open book | 책; 펼친 책; 그림책 | books; notebook; comic book; textbook; 책들; 공책; 만화책; 동화책; 교과서
microphone | Microphone | 마이크 | a microphone; someone holding a microphone | 마이크; 마이크를 든 사람 | microphones; mic; 마이크 잡~
glasses | Glasses | 안경 | a person wearing glasses; sunglasses | 안경; 선글라스; 안경 쓴 사람 | glasses; eyeglasses; 안경 쓴~; 색안경
hanbok | Hanbok | 한복 | a person in a hanbok; traditional Korean clothes | 한복; 한복 입은 사람; 전통 의상 | hanbok; hanboks; 한복 입~; 저고리
umbrella | Umbrella | 우산 | an umbrella; people under umbrellas | 우산; 우산 쓴 사람; 파라솔 | umbrellas; parasol; 우산 쓴~; 양산
bag | Bag | 가방 | a bag; a suitcase; a backpack | 가방; 여행 가방; 배낭 | bags; suitcases; backpacks; luggage; handbag; 캐리어; 책가방; 핸드백; 짐 가방
stroller | Pram | 유모차 | a stroller; a baby carriage | 유모차; 아기 띠 | strollers; pram; 유아차; 카시트
bridge | Bridge | 다리 | a bridge; a bridge over water | 다리 위 풍경; 대교; 출렁다리 | bridges; 다리 위; 한강 다리; 육교; 구름다리; 한강대교; 광안대교; 교량
fire | Fire | 불 | a fire; flames | 불길; 화염; 불타는 모습 | flame; burning; 불타~; 화재; 불이 난~; 불이 나~; 벽난로; 화로
"""

#: Phrases that hold a form of a tag and mean something else. They name no tag.
OTHER: Final = """
sign language; sign up; signs up; signed up; sign in; book a; booked a; fire alarm; run out; runs out; ran out
running late; running out; running time; snow white; cat walk; dog days; watch out; baby steps; baby shower; baby food
bus driver; taxi driver; truck driver; face to face; house music; screen time; train of thought; fall asleep
falls asleep; fell asleep; dress up; dressed up; table of contents; cool cat; raining cats and dogs; wave after wave
아이고~; 아이구~; 기타 등등; 말 없~; 비 없~; 눈 감~; 눈 뜨~; 한 개가; 두 개가; 세 개가; 네 개가; 몇 개가
여러 개가; 한 개를; 두 개를; 세 개를; 네 개를; 몇 개를; 여러 개를; 한 개는; 두 개는; 세 개는; 네 개는
"""
