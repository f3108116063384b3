/**
 * What a test looks for in a page: does this <video> show a moving picture, does this stream carry sound?
 * Evaluated as an expression, it installs `window.probe`.
 */
(window.probe = {
  /** 32 x 24 pixels of what a video shows now: their mean brightness (0..255) and all values, or null before the first. */
  frame(video) {
    if (!video || !video.videoWidth || video.readyState < 2) return null;
    const canvas = document.createElement("canvas");
    canvas.width = 32;
    canvas.height = 24;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const rgba = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const values = Array.from(rgba).filter((_, index) => index % 4 !== 3);
    return { values, mean: values.reduce((sum, value) => sum + value, 0) / values.length };
  },

  /**
   * Listen to a stream from now on: `hertz` collects where it sounded whenever its amplitude (0..1) was above
   * `silent`, in steps of about 20 Hz.
   */
  listen(stream, silent) {
    const ear = { hertz: [], state: "" };
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 2048;
    analyser.smoothingTimeConstant = 0;
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const bins = new Float32Array(analyser.frequencyBinCount);
    setInterval(() => {
      ear.state = context.state;
      analyser.getFloatTimeDomainData(samples);
      if (!samples.some((sample) => Math.abs(sample) > silent)) return;
      analyser.getFloatFrequencyData(bins);
      const peak = bins.reduce((best, level, index) => (level > bins[best] ? index : best), 0);
      const hertz = Math.round((peak * context.sampleRate) / analyser.fftSize);
      if (!ear.hertz.includes(hertz)) ear.hertz.push(hertz);
    }, 40);
    context.resume();
    return ear;
  },
}) && true
