# The dashboard on a processor: docker build -t cnnrnn . && docker run -p 8501:8501 cnnrnn
# For wheels of torch without CUDA, which are gigabytes smaller: --build-arg TORCH_INDEX="--index-url URL", with the URL
# that PyTorch's installation page names for CPU.
FROM python:3.12-slim
ARG TORCH_INDEX=""
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir torch torchvision $TORCH_INDEX && pip install --no-cache-dir -e '.[fast]' \
    && useradd --create-home visitor
USER visitor
EXPOSE 8501
HEALTHCHECK CMD python -c "import urllib.request as u; u.urlopen('http://localhost:8501/_stcore/health')"
CMD ["streamlit", "run", "dashboard/app.py", "--server.address", "0.0.0.0"]
