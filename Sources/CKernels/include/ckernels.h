int swift_peft_placeholder(void);
