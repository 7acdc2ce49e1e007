print("swift-peft")
